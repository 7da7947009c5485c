// SPDX-License-Identifier: Apache-2.0
//
// What the stack notes about a packet: its type, time stamp, congestion mark, routing realm, IPsec state
// (net/core/filter.c, include/net/inet_ecn.h). A packet here has no route and no security path, so that programs get
// what Linux says of such.
#include <linux/if_packet.h>

#include <bit>

#include "helpers/skb.h"

namespace forager::helpers {
namespace {

constexpr std::size_t kType = offsetof(__sk_buff, pkt_type);
constexpr std::uint32_t kVlanTag = 4;
constexpr unsigned kMaxTags = 8;  // VLAN_MAX_DEPTH

bool is_vlan(std::uint16_t protocol) { return protocol == ETH_P_8021Q || protocol == ETH_P_8021AD; }

// vlan_get_protocol(): beneath the tags in the bytes; 0 where they lead out of the packet.
std::uint16_t network_protocol(Frame& frame) {
  std::uint16_t protocol = exec::skb_protocol(frame);
  const std::uint32_t mac = frame.skb->mac_length;
  std::uint32_t depth = mac == 0 ? std::uint32_t{ETH_HLEN} : mac - kVlanTag;
  for (unsigned tags = 1; is_vlan(protocol); ++tags) {
    const std::byte* tag = packet_at(frame, depth, kVlanTag);
    if (tag == nullptr || tags == kMaxTags) return 0;
    protocol = std::byteswap(load<std::uint16_t>(tag + 2));
    depth += kVlanTag;
  }
  return protocol;
}

constexpr unsigned kEcnMask = 3, kCongested = 3;

// IP_ECN_set_ce(): the header's checksum follows by what the two bits change.
u64 mark_ipv4(std::byte* header) {
  constexpr std::size_t kTos = 1, kCheck = 10;
  const auto tos = std::to_integer<unsigned>(header[kTos]);
  if ((tos & kEcnMask) == 0) return 0;
  if ((tos & kEcnMask) == kCongested) return 1;
  const auto added = static_cast<std::uint16_t>(kCongested - (tos & kEcnMask));
  const auto check = load<std::uint16_t>(header + kCheck);
  store(header + kCheck, csum16_sub(check, std::byteswap(added)));
  header[kTos] |= std::byte{kCongested};
  return 1;
}

u64 mark_ipv6(Frame& frame, std::byte* header) {
  constexpr std::uint32_t kMark = 0x00003000;  // in the first word, as it stands in memory
  const auto before = load<std::uint32_t>(header);
  if ((before & kMark) == 0) return 0;
  store(header, before | kMark);
  if (has_complete_checksum(frame)) {
    frame.skb->checksum = csum_add(csum_sub(frame.skb->checksum, before), before | kMark);
  }
  return 1;
}

bool is_ip(std::uint16_t protocol) { return protocol == ETH_P_IP || protocol == ETH_P_IPV6; }

// BPF_SKB_CLOCK_*.
enum Clock : std::uint32_t { kRealtime, kMonotonic, kTai };

}  // namespace

u64 skb_change_type(RunContext&, u64 ctx, u64 type, u64, u64, u64) {
  Frame& frame = frame_of(ctx);
  if (exec::get<std::uint32_t>(frame, kType) > PACKET_OTHERHOST || low(type) > PACKET_OTHERHOST) {
    return result(-EINVAL);
  }
  exec::set(frame, kType, low(type));
  return 0;
}

u64 skb_set_tstamp(RunContext&, u64 ctx, u64 stamp, u64 clock, u64, u64) {
  Frame& frame = frame_of(ctx);
  if (!is_ip(exec::skb_protocol(frame))) return result(-EOPNOTSUPP);
  if (low(clock) > kTai || (low(clock) != kRealtime && stamp == 0)) return result(-EINVAL);
  exec::set(frame, offsetof(__sk_buff, tstamp), stamp);
  exec::set(frame, offsetof(__sk_buff, tstamp_type), static_cast<std::uint8_t>(clock));
  return 0;
}

u64 skb_ecn_set_ce(RunContext&, u64 ctx, u64, u64, u64, u64) {
  constexpr std::uint32_t kIpv4Header = 20, kIpv6Header = 40;
  Frame& frame = frame_of(ctx);
  const std::uint16_t protocol = network_protocol(frame);
  if (!is_ip(protocol)) return 0;
  const std::uint32_t header_bytes = protocol == ETH_P_IP ? kIpv4Header : kIpv6Header;
  std::byte* header = writable_at(frame, exec::skb_network_offset(frame), header_bytes);
  if (frame.packet().size() < header_bytes || header == nullptr) return 0;
  return protocol == ETH_P_IP ? mark_ipv4(header) : mark_ipv6(frame, header);
}

u64 get_route_realm(RunContext&, u64, u64, u64, u64, u64) { return 0; }

u64 skb_get_xfrm_state(RunContext&, u64, u64, u64 to, u64 size, u64) {
  std::memset(pointer<void>(to), 0, low(size));
  return result(-EINVAL);
}

}  // namespace forager::helpers
