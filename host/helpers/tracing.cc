// SPDX-License-Identifier: Apache-2.0
//
// What a probe knows about the event that hit it (kernel/trace/bpf_trace.c), from Frame::event.
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "helpers/functions.h"
#include "helpers/task.h"

namespace forager::helpers {
namespace {

constexpr std::size_t kBranchBytes = 24;     // sizeof(struct perf_branch_entry)
constexpr std::size_t kReturnRegister = 80;  // rax in struct pt_regs of x86-64

// How much of the branch records fits; whole entries.
u64 copy_branches(const exec::Event& event, u64 to, std::size_t room) {
  const std::size_t count = std::min(room, event.branches.size());
  std::copy_n(event.branches.begin(), count, pointer<std::byte>(to));
  return count;
}

}  // namespace

u64 get_func_ip(RunContext& run, u64, u64, u64, u64, u64) { return event_of(run).function; }

u64 get_attach_cookie(RunContext& run, u64, u64, u64, u64, u64) { return event_of(run).cookie; }

// The registers show it, as on x86; that the function is skipped stands in the effects.
u64 override_return(RunContext& run, u64, u64 value, u64, u64, u64) {
  event_of(run).effects.override_return = value;
  std::memcpy(run.frame->context.data() + kReturnRegister, &value, sizeof value);
  return 0;
}

// -EOPNOTSUPP of an event that has no counter.
u64 perf_prog_read_value(RunContext& run, u64, u64 to, u64 size, u64, u64) {
  std::memset(pointer<void>(to), 0, static_cast<std::uint32_t>(size));
  if (static_cast<std::uint32_t>(size) != sizeof(bpf_perf_event_value)) return result(-EINVAL);
  const auto& counter = event_of(run).counter;
  if (!counter) return result(-EOPNOTSUPP);
  const bpf_perf_event_value value{
      .counter = counter->counter, .enabled = counter->enabled_ns, .running = counter->running_ns};
  std::memcpy(pointer<void>(to), &value, sizeof value);
  return 0;
}

u64 read_branch_records(RunContext& run, u64, u64 to, u64 size, u64 flags, u64) {
  const auto room = static_cast<std::uint32_t>(size);
  if ((flags & ~u64{BPF_F_GET_BRANCH_RECORDS_SIZE}) != 0) return result(-EINVAL);
  const exec::Event& event = event_of(run);
  if (event.branches.empty()) return result(-ENOENT);
  if ((flags & BPF_F_GET_BRANCH_RECORDS_SIZE) != 0) return event.branches.size();
  return to == 0 || room % kBranchBytes != 0 ? result(-EINVAL) : copy_branches(event, to, room);
}

u64 get_branch_snapshot(RunContext& run, u64 to, u64 size, u64 flags, u64, u64) {
  if (flags != 0) return result(-EINVAL);
  const exec::Event& event = event_of(run);
  if (event.branches.empty()) return result(-ENOENT);
  return copy_branches(event, to, static_cast<std::uint32_t>(size) / kBranchBytes * kBranchBytes);
}

}  // namespace forager::helpers
