// SPDX-License-Identifier: Apache-2.0
//
// Stacks of who was running (kernel/bpf/stackmap.c). An event brings its own (exec/task.h); without one they are those
// that the environment tells, and where there is none, a stack is empty.
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "helpers/functions.h"
#include "helpers/task.h"

namespace forager::helpers {
namespace {

constexpr u64 kStackFlags = BPF_F_SKIP_FIELD_MASK | BPF_F_USER_STACK | BPF_F_USER_BUILD_ID;
constexpr std::size_t kMaxFrames = 127;  // sysctl kernel.perf_event_max_stack, as it comes

// Calls use(stack), innermost address first, with the kernel's or user space's.
template <class Use>
auto with_stack(const RunContext& run, u64 flags, Use use) {
  const bool user = (flags & BPF_F_USER_STACK) != 0;
  return with_task(run,
                   [&](const exec::Task& task) { return use(std::span(user ? task.user_stack : task.kernel_stack)); });
}

// The size of an entry of what the flags ask for; 0 if they make no sense.
std::size_t entry_bytes(u64 flags) {
  const bool build_id = (flags & BPF_F_USER_BUILD_ID) != 0;
  if ((flags & ~kStackFlags) != 0 || (build_id && (flags & BPF_F_USER_STACK) == 0)) return 0;
  return build_id ? sizeof(bpf_stack_build_id) : sizeof(u64);
}

// Which file an address belongs to is not known here: an entry with room for it says so, as Linux's then do.
void write_entry(std::byte* at, u64 address, std::size_t bytes) {
  bpf_stack_build_id entry{.status = BPF_STACK_BUILD_ID_IP};
  entry.ip = address;
  const bool build_id = bytes == sizeof entry;
  std::memcpy(at, build_id ? static_cast<const void*>(&entry) : &address, bytes);
}

// The bytes written to `to`, which is zero before, or -EFAULT.
std::int64_t write_stack(std::span<const u64> stack, std::span<std::byte> to, std::size_t skip, std::size_t bytes) {
  const std::size_t most = to.size() / bytes;
  stack = stack.first(std::min({stack.size(), most + skip, kMaxFrames}));
  if (stack.size() < skip) return -EFAULT;
  std::byte* at = to.data();
  for (const u64 address : stack.subspan(skip)) {
    write_entry(at, address, bytes);
    at += bytes;
  }
  return at - to.data();
}

}  // namespace

u64 get_stackid(RunContext& run, u64, u64 a, u64 flags, u64, u64) {
  exec::StackTable& stacks = *map(a).abilities().stacks;
  return with_stack(run, flags, [&](std::span<const u64> stack) { return result(stacks.put(stack, flags)); });
}

// What is not filled is zero, of a refused call all of it.
u64 get_stack(RunContext& run, u64, u64 buffer, u64 size, u64 flags, u64) {
  const std::span<std::byte> to(pointer<std::byte>(buffer), static_cast<std::uint32_t>(size));
  std::ranges::fill(to, std::byte{0});
  const std::size_t bytes = entry_bytes(flags);
  if (bytes == 0 || to.size() % bytes != 0) return result(-EINVAL);
  const std::size_t skip = flags & BPF_F_SKIP_FIELD_MASK;
  return with_stack(run, flags,
                    [&](std::span<const u64> stack) { return result(write_stack(stack, to, skip, bytes)); });
}

}  // namespace forager::helpers
