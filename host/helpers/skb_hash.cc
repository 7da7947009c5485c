// SPDX-License-Identifier: Apache-2.0
//
// A packet's flow hash (net/core/filter.c bpf_get_hash_recalc, bpf_set_hash; net/core/flow_dissector.c). The kernel's
// is keyed by a secret of each boot, so that only its properties can be the same here: packets of a flow, in either
// direction, have one hash, and it is never 0.
#include <linux/in.h>

#include <algorithm>
#include <array>
#include <bit>

#include "helpers/skb.h"

namespace forager::helpers {
namespace {

constexpr std::size_t kHash = offsetof(__sk_buff, hash);

// One side of a flow; IPv4 addresses in the first 4 bytes.
struct Side {
  exec::Address address{};
  std::uint16_t port = 0;
  friend auto operator<=>(const Side&, const Side&) = default;
};
struct Flow {
  std::array<Side, 2> sides;
  std::uint16_t network = 0;
  std::uint8_t transport = 0;
};

struct Layout {
  std::uint32_t header, protocol, source, address_bytes;
};
constexpr Layout kIpv4{20, 9, 12, 4}, kIpv6{40, 6, 8, 16};

bool has_ports(std::uint8_t transport) {
  return transport == IPPROTO_TCP || transport == IPPROTO_UDP || transport == IPPROTO_SCTP;
}

void read_ports(Frame& frame, std::int64_t offset, Flow& flow) {
  const std::byte* ports = has_ports(flow.transport) ? packet_at(frame, offset, 4) : nullptr;
  if (ports == nullptr) return;
  for (std::size_t i = 0; i < 2; ++i) flow.sides[i].port = load<std::uint16_t>(ports + 2 * i);
}

void read_network(Frame& frame, const Layout& layout, Flow& flow) {
  const std::int64_t start = exec::skb_network_offset(frame);
  const std::byte* header = packet_at(frame, start, layout.header);
  if (header == nullptr) return;
  flow.transport = std::to_integer<std::uint8_t>(header[layout.protocol]);
  for (std::size_t i = 0; i < 2; ++i) {
    std::memcpy(flow.sides[i].address.data(), header + layout.source + i * layout.address_bytes, layout.address_bytes);
  }
  const bool ipv4 = layout.header == kIpv4.header;
  read_ports(frame, start + (ipv4 ? (std::to_integer<unsigned>(header[0]) & 15) * 4 : layout.header), flow);
}

Flow flow_of(Frame& frame) {
  Flow flow{.sides = {}, .network = exec::skb_protocol(frame)};
  if (flow.network == ETH_P_IP) read_network(frame, kIpv4, flow);
  if (flow.network == ETH_P_IPV6) read_network(frame, kIpv6, flow);
  std::ranges::sort(flow.sides);
  return flow;
}

// FNV-1a over the bytes of the flow.
class Hash {
 public:
  void add(std::span<const std::byte> data) {
    for (const std::byte byte : data) value_ = (value_ ^ std::to_integer<std::uint32_t>(byte)) * 0x01000193U;
  }
  template <class T>
  void add(const T& value) {
    add(std::as_bytes(std::span(&value, 1)));
  }
  [[nodiscard]] std::uint32_t value() const { return std::max(value_, 1U); }

 private:
  std::uint32_t value_ = 0x811c9dc5U;
};

std::uint32_t hash_of(const Flow& flow) {
  Hash hash;
  for (const Side& side : flow.sides) {
    hash.add(side.address);
    hash.add(side.port);
  }
  hash.add(flow.network);
  hash.add(flow.transport);
  return hash.value();
}

void give_hash(Frame& frame, std::uint32_t hash) {
  frame.skb->hashed = true;
  exec::set(frame, kHash, hash);
}

}  // namespace

u64 get_hash_recalc(RunContext&, u64 ctx, u64, u64, u64, u64) {
  Frame& frame = frame_of(ctx);
  if (!frame.skb->hashed) give_hash(frame, hash_of(flow_of(frame)));
  return exec::get<std::uint32_t>(frame, kHash);
}

u64 set_hash(RunContext&, u64 ctx, u64 hash, u64, u64, u64) {
  give_hash(frame_of(ctx), low(hash));
  return 0;
}

u64 set_hash_invalid(RunContext&, u64 ctx, u64, u64, u64, u64) {
  clear_hash(frame_of(ctx));
  return 0;
}

}  // namespace forager::helpers
