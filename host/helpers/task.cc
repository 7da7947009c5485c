// SPDX-License-Identifier: Apache-2.0
//
// Who was running (kernel/bpf/helpers.c, kernel/trace/bpf_trace.c). Signals are recorded in the event, never sent.
#include "helpers/task.h"

#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "helpers/functions.h"

namespace forager::helpers {
namespace {

constexpr u64 kInit = 1;           // the process that no program may signal
constexpr u64 kTaskBytes = 16384;  // apart, so that no two task addresses overlap

u64 send(RunContext& run, u64 number, bool thread) {
  const u64 process = with_task(run, [](const exec::Task& task) { return task.pid_tgid >> 32; });
  if (process == kInit) return result(-EPERM);
  const auto signal = static_cast<std::uint32_t>(number);
  if (signal > static_cast<std::uint32_t>(SIGRTMAX)) return result(-EINVAL);
  if (signal != 0) event_of(run).effects.signals.push_back({.number = signal, .thread = thread});
  return 0;
}

bool is_below(const exec::Task& task, u64 cgroup) {
  return task.cgroup_id == cgroup || std::ranges::find(task.cgroup_ancestors, cgroup) != task.cgroup_ancestors.end();
}

}  // namespace

u64 is_under_cgroup(RunContext& run, exec::Map& cgroups, std::uint32_t index) {
  if (index >= cgroups.spec().max_entries) return result(-E2BIG);
  u64 cgroup = 0;
  if (const void* slot = cgroups.lookup(&index, run.cpu); slot != nullptr) std::memcpy(&cgroup, slot, sizeof cgroup);
  if (cgroup == 0) return result(-EAGAIN);
  return with_task(run, [&](const exec::Task& task) -> u64 { return is_below(task, cgroup) ? 1 : 0; });
}

u64 get_current_pid_tgid(RunContext& run, u64, u64, u64, u64, u64) {
  return with_task(run, [](const exec::Task& task) { return task.pid_tgid; });
}

u64 get_current_uid_gid(RunContext& run, u64, u64, u64, u64, u64) {
  return with_task(run, [](const exec::Task& task) { return task.uid_gid; });
}

// strscpy_pad(): what is cut off still ends with a zero.
u64 get_current_comm(RunContext& run, u64 to, u64 size, u64, u64, u64) {
  const auto room = static_cast<std::uint32_t>(size);
  std::memset(pointer<void>(to), 0, room);
  with_task(run, [&](const exec::Task& task) {
    std::copy_n(task.comm.begin(), std::min<std::size_t>(room, task.comm.size()), pointer<char>(to));
  });
  pointer<char>(to)[room - 1] = '\0';
  return 0;
}

// A number that names the thread, where Linux gives the address of its task_struct: nothing is there unless the event
// brought memory along.
u64 get_current_task(RunContext& run, u64, u64, u64, u64, u64) {
  constexpr u64 kDirectMap = 0xffff888000000000;
  return with_task(
      run, [](const exec::Task& task) { return kDirectMap + static_cast<std::uint32_t>(task.pid_tgid) * kTaskBytes; });
}

u64 get_current_cgroup_id(RunContext& run, u64, u64, u64, u64, u64) {
  return with_task(run, [](const exec::Task& task) { return task.cgroup_id; });
}

u64 get_current_ancestor_cgroup_id(RunContext& run, u64 a, u64, u64, u64, u64) {
  const auto level = static_cast<std::int32_t>(a);
  return with_task(run, [&](const exec::Task& task) -> u64 {
    return level < 0 || level >= std::ssize(task.cgroup_ancestors) ? 0 : task.cgroup_ancestors[static_cast<u64>(level)];
  });
}

u64 current_task_under_cgroup(RunContext& run, u64 a, u64 b, u64, u64, u64) {
  return is_under_cgroup(run, map(a), static_cast<std::uint32_t>(b));
}

u64 get_cgroup_classid(RunContext& run, u64, u64, u64, u64, u64) {
  return with_task(run, [](const exec::Task& task) { return u64{task.classid}; });
}

u64 get_ns_current_pid_tgid(RunContext& run, u64 device, u64 inode, u64 to, u64 size, u64) {
  std::memset(pointer<void>(to), 0, static_cast<std::uint32_t>(size));
  if (static_cast<std::uint32_t>(size) != sizeof(bpf_pidns_info)) return result(-EINVAL);
  return with_task(run, [&](const exec::Task& task) {
    const exec::PidNamespace& there = task.pid_namespace;
    if (there.inode == 0 || device != there.device || inode != there.inode) return result(-EINVAL);
    const bpf_pidns_info info{.pid = static_cast<std::uint32_t>(task.pid_tgid),
                              .tgid = static_cast<std::uint32_t>(task.pid_tgid >> 32)};
    std::memcpy(pointer<void>(to), &info, sizeof info);
    return u64{0};
  });
}

u64 send_signal(RunContext& run, u64 number, u64, u64, u64, u64) { return send(run, number, false); }
u64 send_signal_thread(RunContext& run, u64 number, u64, u64, u64, u64) { return send(run, number, true); }

}  // namespace forager::helpers
