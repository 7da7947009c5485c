// SPDX-License-Identifier: Apache-2.0
//
// Helpers of XDP programs: the frame's edges, its bytes by offset, and where it goes (net/core/filter.c,
// include/linux/filter.h __bpf_xdp_redirect_map).
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>

#include "helpers/functions.h"
#include "helpers/skb_redirect.h"

namespace forager::helpers {
namespace {

exec::Frame& frame(u64 argument) { return *pointer<exec::Frame>(argument); }
std::int32_t delta(u64 argument) { return static_cast<std::int32_t>(argument); }

// Where packet bytes [offset, offset + size) stand; an errno where the packet does not have them (bpf_xdp_pointer).
struct PacketBytes {
  std::byte* data = nullptr;
  std::size_t size = 0;
  int error = 0;
};
PacketBytes packet_bytes(exec::Frame& packet, u64 offset, u64 size) {
  constexpr std::uint32_t kMax = 0xffff;
  const auto begin = static_cast<std::uint32_t>(offset);
  const auto length = static_cast<std::uint32_t>(size);
  if (begin > kMax || length > kMax) return {.error = -EFAULT};
  const auto data = packet.packet();
  if (begin + length > data.size()) return {.error = -EINVAL};
  return {.data = data.data() + begin, .size = length};
}

bool holds_ports(const exec::Map& map) {
  return map.spec().type == isa::MapType::devmap || map.spec().type == isa::MapType::devmap_hash;
}

// Where an entry leads, if there is one: to the ifindex that struct bpf_devmap_val and plain 4-byte values both begin
// with; a CPU or a socket is named by its key. And the program that waits there.
struct Target {
  std::uint32_t number = 0;
  std::shared_ptr<const exec::ProgramSlot> program;
};
std::optional<Target> target_at(exec::Map& targets, std::uint32_t key, unsigned cpu) {
  if (exec::RedirectTable* table = targets.abilities().redirects; table != nullptr) {
    auto entry = table->get(&key);
    if (!entry) return std::nullopt;
    Target target{.number = holds_ports(targets) ? entry->number : key, .program = nullptr};
    if (entry->program.program) target.program = std::make_shared<exec::ProgramSlot>(std::move(entry->program));
    return target;
  }
  const void* value = targets.lookup(&key, cpu);
  if (value == nullptr) return std::nullopt;
  if (!holds_ports(targets)) return Target{key, nullptr};
  std::uint32_t ifindex = 0;
  std::memcpy(&ifindex, value, sizeof(ifindex));
  return Target{ifindex, nullptr};
}

constexpr u64 kActionMask = XDP_ABORTED | XDP_DROP | XDP_PASS | XDP_TX;
constexpr u64 kDeviceFlags = BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS;

}  // namespace

u64 xdp_adjust_head(RunContext&, u64 ctx, u64 by, u64, u64, u64) { return result(frame(ctx).adjust_head(delta(by))); }
u64 xdp_adjust_tail(RunContext&, u64 ctx, u64 by, u64, u64, u64) { return result(frame(ctx).adjust_tail(delta(by))); }
u64 xdp_adjust_meta(RunContext&, u64 ctx, u64 by, u64, u64, u64) { return result(frame(ctx).adjust_meta(delta(by))); }

u64 xdp_get_buff_len(RunContext&, u64 ctx, u64, u64, u64, u64) { return frame(ctx).packet().size(); }

u64 xdp_load_bytes(RunContext&, u64 ctx, u64 offset, u64 to, u64 size, u64) {
  const PacketBytes from = packet_bytes(frame(ctx), offset, size);
  if (from.error == 0) std::memmove(pointer<std::byte>(to), from.data, from.size);
  return result(from.error);
}

u64 xdp_store_bytes(RunContext&, u64 ctx, u64 offset, u64 from, u64 size, u64) {
  const PacketBytes to = packet_bytes(frame(ctx), offset, size);
  if (to.error == 0) std::memmove(to.data, pointer<std::byte>(from), to.size);
  return result(to.error);
}

u64 redirect(RunContext& run, u64 ifindex, u64 flags, u64, u64, u64) {
  if (run.program->program().type() != isa::ProgType::xdp) return skb_redirect(run, ifindex, flags);
  if (flags != 0) return XDP_ABORTED;
  run.frame->change_results().redirect = {.ifindex = static_cast<std::uint32_t>(ifindex)};
  return XDP_REDIRECT;
}

// The lower bits of the flags are the verdict for a key that leads nowhere; such a call also undoes an earlier one.
u64 redirect_map(RunContext& run, u64 a, u64 key, u64 flags, u64, u64) {
  exec::Map& targets = map(a);
  if ((flags & ~(kActionMask | (holds_ports(targets) ? kDeviceFlags : 0))) != 0) return XDP_ABORTED;
  auto target = target_at(targets, static_cast<std::uint32_t>(key), run.cpu);
  const bool broadcast = (flags & BPF_F_BROADCAST) != 0;
  exec::Redirect& way = run.frame->change_results().redirect;
  if (!target && !broadcast) {
    way = {};
    return flags & kActionMask;
  }
  way = {.map_type = static_cast<std::uint32_t>(targets.spec().type)};
  if (broadcast) {
    way.flags = flags;
    if (targets.abilities().redirects != nullptr) way.ports = targets.shared_from_this();
  } else {
    way.ifindex = target->number;
    way.program = std::move(target->program);
  }
  return XDP_REDIRECT;
}

}  // namespace forager::helpers
