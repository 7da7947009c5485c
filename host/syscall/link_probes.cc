// SPDX-License-Identifier: Apache-2.0
#include "syscall/link_probes.h"

#include <cerrno>
#include <climits>

#include "syscall/probe_event.h"

namespace forager::syscall {
namespace {

using isa::AttachType;
using isa::ProgType;
using runtime::LinkSpec;
using runtime::LinkTarget;
using runtime::LinkType;
using runtime::Place;
using runtime::PlaceKind;
using Program = std::shared_ptr<runtime::ProgramObject>;

constexpr std::uint32_t kMostProbes = 1U << 20;  // MAX_KPROBE_MULTI_CNT, MAX_UPROBE_MULTI_CNT
constexpr std::size_t kLongestFunction = 512;    // KSYM_NAME_LEN
constexpr std::size_t kLongestTracepoint = 128;  // bpf_raw_tracepoint_open()
constexpr std::uint32_t kReturns = 1;            // BPF_F_KPROBE_MULTI_RETURN, BPF_F_UPROBE_MULTI_RETURN

long attach_perf_event(const Call& call, const LinkAttributes& asked, const Program& program) {
  if (asked.flags != 0) return -EINVAL;
  const auto event = call.fds().find<ProbeEvent>(static_cast<int>(asked.target));
  if (!event) return -EBADF;
  auto link = (*event)->link(call.runtime(), program, asked.perf_cookie);
  return link ? call.fds().install(std::move(*link)) : link.error();
}

// An array of the caller's; empty if there is none.
Errno<std::vector<std::uint64_t>> read_numbers(UserAddress at, std::uint32_t count) {
  std::vector<std::uint64_t> numbers(at != 0 ? count : 0);
  const long error = copy_from_user(numbers.data(), at, numbers.size() * sizeof numbers[0]);
  if (error != 0) return std::unexpected(error);
  return numbers;
}

// Gives the targets their cookies, where there are any.
long read_cookies(UserAddress at, std::vector<LinkTarget>& targets) {
  const auto cookies = read_numbers(at, static_cast<std::uint32_t>(targets.size()));
  if (!cookies) return cookies.error();
  for (std::size_t i = 0; i < cookies->size(); ++i) targets[i].cookie = (*cookies)[i];
  return 0;
}

// ---- many functions
// --------------------------------------------------------------------------------------------------

Errno<std::vector<LinkTarget>> read_functions(const KprobeMultiAttributes& asked, PlaceKind kind) {
  std::vector<LinkTarget> targets;
  const auto numbers = read_numbers(asked.symbols != 0 ? asked.symbols : asked.addresses, asked.count);
  if (!numbers) return std::unexpected(numbers.error());
  for (const std::uint64_t number : *numbers) {
    if (asked.symbols == 0) {
      targets.push_back({Place::probe(kind, "", number)});
      continue;
    }
    auto name = read_user_string(number, kLongestFunction);
    if (!name) return std::unexpected(name.error());
    targets.push_back({Place::probe(kind, std::move(*name))});
  }
  return targets;
}

long attach_functions(const Call& call, const LinkAttributes& asked, const Program& program) {
  const auto& multi = asked.kprobe_multi;
  if (asked.flags != 0 || asked.target != 0 || (multi.flags & ~kReturns) != 0) return -EINVAL;
  if ((multi.symbols != 0) == (multi.addresses != 0) || multi.count == 0) return -EINVAL;
  if (multi.count > kMostProbes) return -E2BIG;
  auto targets = read_functions(multi, (multi.flags & kReturns) != 0 ? PlaceKind::kretprobe : PlaceKind::kprobe);
  if (!targets) return targets.error();
  if (const long error = read_cookies(multi.cookies, *targets); error != 0) return error;
  return install_link(call,
                      {.type = LinkType::kprobe_multi,
                       .attach_type = asked.attach_type,
                       .flags = multi.flags,
                       .targets = std::move(*targets)},
                      program);
}

// ---- many places of a file
// -------------------------------------------------------------------------------------------

Errno<std::vector<LinkTarget>> read_offsets(const UprobeMultiAttributes& asked, PlaceKind kind) {
  const auto path = read_user_string(asked.path, PATH_MAX);
  if (!path) return std::unexpected(path.error());
  const auto offsets = read_numbers(asked.offsets, asked.count);
  const auto semaphores = read_numbers(asked.semaphores, asked.count);
  if (!offsets || !semaphores) return std::unexpected(-EFAULT);
  std::vector<LinkTarget> targets;
  for (std::size_t i = 0; i < offsets->size(); ++i) {
    const std::uint64_t semaphore = semaphores->empty() ? 0 : (*semaphores)[i];
    targets.push_back({Place::probe(kind, *path, (*offsets)[i]), 0, semaphore});
  }
  return targets;
}

long attach_offsets(const Call& call, const LinkAttributes& asked, const Program& program) {
  const auto& multi = asked.uprobe_multi;
  if (asked.flags != 0 || asked.target != 0 || (multi.flags & ~kReturns) != 0) return -EINVAL;
  if (multi.path == 0 || multi.offsets == 0 || multi.count == 0) return -EINVAL;
  if (multi.count > kMostProbes) return -E2BIG;
  auto targets = read_offsets(multi, (multi.flags & kReturns) != 0 ? PlaceKind::uretprobe : PlaceKind::uprobe);
  if (!targets) return targets.error();
  if (const long error = read_cookies(multi.cookies, *targets); error != 0) return error;
  return install_link(call,
                      {.type = LinkType::uprobe_multi,
                       .attach_type = asked.attach_type,
                       .flags = multi.flags,
                       .pid = multi.pid,
                       .targets = std::move(*targets)},
                      program);
}

}  // namespace

// Programs for many places say so when they are loaded.
long attach_probe(const Call& call, const LinkAttributes& asked, const Program& program) {
  switch (static_cast<AttachType>(asked.attach_type)) {
    case AttachType::perf_event:
      return attach_perf_event(call, asked, program);
    case AttachType::trace_kprobe_multi:
      return program->source().attach_type == asked.attach_type ? attach_functions(call, asked, program) : -EINVAL;
    case AttachType::trace_uprobe_multi:
      return program->source().attach_type == asked.attach_type ? attach_offsets(call, asked, program) : -EINVAL;
    default:
      return -EINVAL;  // sessions: one program at entry and return, with a function that asks which it is
  }
}

long raw_tracepoint_open(const Call& call) {
  const auto asked = part_of<RawTracepointAttributes>(call.attr);
  const auto program = call.fds().find<runtime::ProgramObject>(static_cast<int>(asked.prog_fd));
  if (!program) return program.error();
  const ProgType type = (*program)->type();
  if (type != ProgType::raw_tracepoint && type != ProgType::raw_tracepoint_writable) return -EINVAL;
  const auto name = read_user_string(asked.name, kLongestTracepoint);
  if (!name) return name.error();
  if (name->empty()) return -ENOENT;
  return install_link(
      call, {.type = LinkType::raw_tracepoint, .targets = {{Place::raw_tracepoint(*name), asked.cookie}}}, *program);
}

}  // namespace forager::syscall
