// SPDX-License-Identifier: Apache-2.0
//
// BPF_LINK_*: attaching programs. What can be attached to are the runtime's virtual ports (XDP); all other attach
// points are parts of a kernel, and get the answer of a kernel without them.
#include <bit>
#include <cerrno>

#include "syscall/commands.h"
#include "syscall/perf_event.h"

namespace forager::syscall {
namespace {

using runtime::LinkObject;
using runtime::ProgramObject;

constexpr unsigned kXdpModes = 1U << 1 | 1U << 2 | 1U << 3;  // XDP_FLAGS_{SKB,DRV,HW}_MODE of <linux/if_link.h>

Errno<std::shared_ptr<ProgramObject>> find_program(const Call& call, std::uint32_t fd) {
  return call.fds().find<ProgramObject>(static_cast<int>(fd));
}
Errno<std::shared_ptr<LinkObject>> find_link(const Call& call, std::uint32_t fd) {
  return call.fds().find<LinkObject>(static_cast<int>(fd));
}

// XDP modes mean nothing on a virtual port, but two at once are an error everywhere.
bool bad_xdp_flags(unsigned flags) { return (flags & ~kXdpModes) != 0 || std::popcount(flags & kXdpModes) > 1; }

// Programs for map entries (DEVMAP, CPUMAP) cannot be attached to a port.
bool is_for_port(const ProgramObject& program) {
  return program.source().attach_type == 0 || program.source().attach_type == BPF_XDP;
}

long attach_xdp(const Call& call, const std::shared_ptr<ProgramObject>& program) {
  const auto& asked = call.attr.link_create;
  if (asked.attach_type != BPF_XDP || !call.runtime().port_exists(asked.target_ifindex)) return -EINVAL;
  if (bad_xdp_flags(asked.flags) || !is_for_port(*program)) return -EINVAL;
  auto link = call.runtime().attach(asked.attach_type, asked.target_ifindex, program);
  return link ? call.fds().install(std::move(link)) : -EBUSY;
}

// No perf event leads to a program here; libbpf asks with a bad descriptor whether the command as such is known.
long attach_perf_event(const Call& call, const std::shared_ptr<ProgramObject>&) {
  if (call.attr.link_create.attach_type != BPF_PERF_EVENT || call.attr.link_create.flags != 0) return -EINVAL;
  const auto event = call.fds().find<PerfEvent>(static_cast<int>(call.attr.link_create.target_fd));
  return event ? -EINVAL : event.error();
}

struct AttachRow {
  isa::ProgType type;
  long (*attach)(const Call&, const std::shared_ptr<ProgramObject>&);
};

constexpr AttachRow kAttachable[] = {
    {isa::ProgType::xdp, attach_xdp},
    {isa::ProgType::kprobe, attach_perf_event},
    {isa::ProgType::tracepoint, attach_perf_event},
    {isa::ProgType::perf_event, attach_perf_event},
};

}  // namespace

long link_create(const Call& call) {
  const auto program = find_program(call, call.attr.link_create.prog_fd);
  if (!program) return program.error();
  for (const AttachRow& row : kAttachable) {
    if (row.type == (*program)->type()) return row.attach(call, *program);
  }
  return -EINVAL;
}

long link_update(const Call& call) {
  const auto& asked = call.attr.link_update;
  const bool replaces = (asked.flags & BPF_F_REPLACE) != 0;
  if ((asked.flags & ~unsigned{BPF_F_REPLACE}) != 0) return -EINVAL;
  const auto link = find_link(call, asked.link_fd);
  if (!link) return link.error();
  auto next = find_program(call, asked.new_prog_fd);
  if (!next) return next.error();
  if (!replaces) return asked.old_prog_fd != 0 ? -EINVAL : (*link)->replace(std::move(*next), nullptr);
  const auto expected = find_program(call, asked.old_prog_fd);
  if (!expected) return expected.error();
  return (*link)->replace(std::move(*next), expected->get());
}

long link_detach(const Call& call) {
  const auto link = find_link(call, call.attr.link_detach.link_fd);
  if (!link) return link.error();
  (*link)->detach();
  return 0;
}

}  // namespace forager::syscall
