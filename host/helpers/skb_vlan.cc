// SPDX-License-Identifier: Apache-2.0
//
// VLAN tags (net/core/skbuff.c skb_vlan_push, skb_vlan_pop). The outermost tag stands beside the packet, in the
// context's vlan_* fields, as where a network card strips and inserts it; what is beneath stands in the bytes.
#include <bit>

#include "helpers/skb.h"

namespace forager::helpers {
namespace {

constexpr std::uint32_t kTag = 4;                         // VLAN_HLEN
constexpr std::uint32_t kAddresses = 12;                  // of the Ethernet header, which tags follow
constexpr std::uint32_t kTaggedHeader = ETH_HLEN + kTag;  // VLAN_ETH_HLEN

constexpr bool is_vlan(std::uint16_t protocol) { return protocol == ETH_P_8021Q || protocol == ETH_P_8021AD; }

bool has_tag(const Frame& frame) { return exec::get<std::uint32_t>(frame, offsetof(__sk_buff, vlan_present)) != 0; }

struct Tag {
  std::uint16_t protocol = 0, control = 0;  // host order
};

Tag tag_of(const Frame& frame) {
  const auto protocol = exec::get<std::uint16_t>(frame, offsetof(__sk_buff, vlan_proto));
  return {.protocol = std::byteswap(protocol),
          .control = exec::get<std::uint16_t>(frame, offsetof(__sk_buff, vlan_tci))};
}

void set_tag(Frame& frame, bool present, const Tag& tag) {
  exec::set(frame, offsetof(__sk_buff, vlan_present), std::uint32_t{present});
  exec::set(frame, offsetof(__sk_buff, vlan_tci), std::uint32_t{tag.control});
  exec::set(frame, offsetof(__sk_buff, vlan_proto), std::uint32_t{std::byteswap(tag.protocol)});
}

// __vlan_insert_tag(), and what skb_vlan_push() does about it.
int tag_into_bytes(Frame& frame, const Tag& tag) {
  if (!exec::skb_reserve(frame, kTag)) return -ENOMEM;
  exec::skb_push(frame, kTag);
  std::byte* header = frame.buffer() + frame.data();
  std::memmove(header, header + kTag, kAddresses);
  store(header + kAddresses, std::byteswap(tag.protocol));
  store(header + kAddresses + 2, std::byteswap(tag.control));
  frame.skb->mac_header -= kTag;
  frame.skb->network_header -= kTag;
  exec::set_skb_protocol(frame, tag.protocol);
  bytes_come(frame, {header + kAddresses, kTag});
  return 0;
}

// vlan_set_encap_proto(): what the packet is, once the tag is off.
std::uint16_t protocol_beneath(Frame& frame) {
  const auto type = std::byteswap(load<std::uint16_t>(frame.buffer() + frame.data() + kTaggedHeader - 2));
  if (type >= 0x600) return type;
  const std::byte* payload = packet_at(frame, kTaggedHeader, sizeof(std::uint16_t));
  return payload != nullptr && load<std::uint16_t>(payload) == 0xffff ? ETH_P_802_3 : ETH_P_802_2;
}

// __skb_vlan_pop(): takes the tag behind the addresses out of the bytes.
int tag_out_of_bytes(Frame& frame, std::uint16_t& control) {
  if (writable_at(frame, 0, kTaggedHeader) == nullptr) return -ENOMEM;
  std::byte* header = frame.buffer() + frame.data();
  bytes_leave(frame, {header + kAddresses, kTag});
  control = std::byteswap(load<std::uint16_t>(header + ETH_HLEN));
  exec::set_skb_protocol(frame, protocol_beneath(frame));
  std::memmove(header + kTag, header, kAddresses);
  exec::skb_pull(frame, kTag);
  frame.skb->mac_header += kTag;
  if (exec::skb_network_offset(frame) < ETH_HLEN) frame.skb->network_header = frame.data() + ETH_HLEN;
  return 0;
}

void reset_mac_length(Frame& frame) {
  frame.skb->mac_length = static_cast<std::uint16_t>(frame.skb->network_header - frame.skb->mac_header);
}

int pop(Frame& frame) {
  std::uint16_t control = 0;
  if (has_tag(frame)) {
    set_tag(frame, false, {});
  } else {
    if (!is_vlan(exec::skb_protocol(frame))) return 0;
    if (const int error = tag_out_of_bytes(frame, control); error != 0) return error;
  }
  const std::uint16_t next = exec::skb_protocol(frame);
  if (!is_vlan(next)) return 0;
  if (const int error = tag_out_of_bytes(frame, control); error != 0) return error;
  set_tag(frame, true, {.protocol = next, .control = control});
  return 0;
}

}  // namespace

u64 skb_vlan_push(RunContext&, u64 ctx, u64 protocol, u64 control, u64, u64) {
  Frame& frame = frame_of(ctx);
  const auto asked = std::byteswap(static_cast<std::uint16_t>(protocol));
  int error = has_tag(frame) ? tag_into_bytes(frame, tag_of(frame)) : 0;
  if (error == 0) {
    set_tag(frame, true,
            {.protocol = is_vlan(asked) ? asked : std::uint16_t{ETH_P_8021Q},
             .control = static_cast<std::uint16_t>(control)});
  }
  reset_mac_length(frame);
  return result(error);
}

u64 skb_vlan_pop(RunContext&, u64 ctx, u64, u64, u64, u64) {
  Frame& frame = frame_of(ctx);
  const int error = pop(frame);
  reset_mac_length(frame);
  return result(error);
}

}  // namespace forager::helpers
