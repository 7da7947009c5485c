// SPDX-License-Identifier: Apache-2.0
//
// The cgroup of a packet's socket (net/core/filter.c bpf_skb_cgroup_id and its like). A test run's socket is made by
// the process that asks for the run, and is of that process's cgroup.
#include "helpers/skb.h"
#include "helpers/task.h"

namespace forager::helpers {

u64 skb_cgroup_id(RunContext& run, u64 ctx, u64, u64, u64, u64) {
  return frame_of(ctx).socket == nullptr ? 0 : with_task(run, [](const exec::Task& task) { return task.cgroup_id; });
}

// Level 0 is the root; a level below the cgroup's own has no ancestor.
u64 skb_ancestor_cgroup_id(RunContext& run, u64 ctx, u64 level, u64, u64, u64) {
  if (frame_of(ctx).socket == nullptr) return 0;
  return with_task(run, [&](const exec::Task& task) {
    return low(level) < task.cgroup_ancestors.size() ? task.cgroup_ancestors[low(level)] : 0;
  });
}

u64 skb_cgroup_classid(RunContext& run, u64 ctx, u64, u64, u64, u64) {
  return frame_of(ctx).socket == nullptr ? 0 : with_task(run, [](const exec::Task& task) { return u64{task.classid}; });
}

u64 skb_under_cgroup(RunContext& run, u64 ctx, u64 cgroups, u64 index, u64, u64) {
  return frame_of(ctx).socket == nullptr ? result(-ENOENT) : is_under_cgroup(run, map(cgroups), low(index));
}

}  // namespace forager::helpers
