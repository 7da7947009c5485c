// SPDX-License-Identifier: Apache-2.0
//
// Packets that get longer or shorter: room for headers, both ends, VLAN tags (host/helpers/skb_room.cc, skb_size.cc,
// skb_vlan.cc).

#define FG_IPV4_HEADER 20u
#define FG_IPV6_HEADER 40u
#define FG_MOST_CHANGE 0xfffu
#define FG_EALREADY 114

// ---- headers in and out ----

static void fg_move_headers(fg_run* run, uint by) {
  const bool follows = FG_SKB->transport_header == FG_SKB->network_header;
  FG_SKB->mac_header += by;
  FG_SKB->network_header += by;
  if (follows) FG_SKB->transport_header = FG_SKB->network_header;
}

// Zeros behind the first `offset` bytes; what the packet does not have of those is tailroom.
static ulong fg_insert(fg_run* run, uint offset, uint bytes) {
  if (!fg_room(run, bytes, (ulong)run->data + offset)) return 0;
  fg_move_front(run, run->data - bytes);
  fg_move_down(run, run->data, run->data + bytes, offset);
  fg_zero(run, run->data + offset, bytes);
  fg_move_headers(run, 0 - bytes);
  return 0;
}

static ulong fg_remove(fg_run* run, uint offset, uint bytes) {
  const long gone = fg_writable(run, offset, bytes);
  if (gone == FG_NOWHERE) return FG_ERROR(FG_ENOMEM);
  fg_bytes_leave(run, run->packet + gone, bytes, 0);
  fg_move_up(run, run->data + bytes, run->data, offset);
  fg_move_front(run, run->data + bytes);
  fg_move_headers(run, bytes);
  return 0;
}

static uint fg_mac_bytes(fg_run* run) { return FG_SKB->network_header - FG_SKB->mac_header; }

// The outer protocol is the one that the flags name, if they name one.
static void fg_follow_protocol(fg_run* run, ulong flags, ulong ipv4, ulong ipv6) {
  const uint protocol = fg_protocol(run);
  if (protocol == FG_ETH_P_IP && (flags & ipv6) != 0) fg_set_protocol(run, FG_ETH_P_IPV6);
  if (protocol == FG_ETH_P_IPV6 && (flags & ipv4) != 0) fg_set_protocol(run, FG_ETH_P_IP);
}

// ---- bpf_skb_adjust_room ----

#define FG_ROOM_FIXED (1ul << 0)
#define FG_ENCAP_IPV4 (1ul << 1)
#define FG_ENCAP_IPV6 (1ul << 2)
#define FG_ENCAP (FG_ENCAP_IPV4 | FG_ENCAP_IPV6)
#define FG_TUNNEL (3ul << 3)
#define FG_ROOM_NO_RESET (1ul << 5)
#define FG_ENCAP_ETHERNET (1ul << 6)
#define FG_DECAP_IPV4 (1ul << 7)
#define FG_DECAP_IPV6 (1ul << 8)
#define FG_DECAP (FG_DECAP_IPV4 | FG_DECAP_IPV6)
#define FG_INNER_MAC (0xfful << 56)
#define FG_SHRINK_FLAGS (FG_ROOM_FIXED | FG_DECAP | FG_ROOM_NO_RESET)
#define FG_ROOM_FLAGS (FG_SHRINK_FLAGS | FG_ENCAP | FG_TUNNEL | FG_ENCAP_ETHERNET | FG_INNER_MAC)

// The length of the header that the packet has by its protocol; 0 of others than IP.
static uint fg_base_bytes(fg_run* run) {
  const uint protocol = fg_protocol(run);
  return protocol == FG_ETH_P_IP ? FG_IPV4_HEADER : protocol == FG_ETH_P_IPV6 ? FG_IPV6_HEADER : 0;
}

static ulong fg_check_shrink(fg_run* run, uint bytes, ulong flags) {
  uint least = fg_base_bytes(run);
  if ((flags & FG_DECAP) == FG_DECAP) return FG_ERROR(FG_EINVAL);
  if ((flags & FG_DECAP) != 0) least = (flags & FG_DECAP_IPV4) != 0 ? FG_IPV4_HEADER : FG_IPV6_HEADER;
  const uint network = (uint)((long)fg_skb_bytes(run) - fg_network_offset(run));
  if (bytes >= network || network - bytes < least) return FG_ERROR(FG_ENOTSUPP);
  return (flags & ~FG_SHRINK_FLAGS) != 0 ? FG_ERROR(FG_EINVAL) : fg_is_gso(run) ? FG_ERROR(FG_ENOTSUPP) : 0;
}

static ulong fg_check_encap(fg_run* run, uint bytes, ulong flags) {
  const uint inner_mac = (uint)(flags >> 56);
  if ((flags & FG_ENCAP) == FG_ENCAP || (flags & FG_TUNNEL) == FG_TUNNEL) return FG_ERROR(FG_EINVAL);
  if ((flags & FG_ENCAP_ETHERNET) != 0 && inner_mac < FG_ETHERNET_HEADER) return FG_ERROR(FG_EINVAL);
  if (FG_SKB->encapsulation != 0) return FG_ERROR(FG_EALREADY);
  return inner_mac > bytes ? FG_ERROR(FG_EINVAL) : 0;
}

static ulong fg_check_grow(fg_run* run, uint bytes, ulong flags) {
  if ((flags & FG_DECAP) != 0) return FG_ERROR(FG_EINVAL);
  if (fg_is_gso(run) || fg_skb_bytes(run) + bytes > FG_MOST_SKB_BYTES) return FG_ERROR(FG_ENOTSUPP);
  return (flags & FG_ENCAP) != 0 ? fg_check_encap(run, bytes, flags) : 0;
}

// The MAC header keeps its length, so that the network header is the new outer one.
static void fg_encapsulate(fg_run* run, ulong flags) {
  const uint outer = (flags & FG_ENCAP_IPV6) != 0 ? FG_IPV6_HEADER : FG_IPV4_HEADER;
  FG_SKB->encapsulation = 1;
  if ((flags & FG_TUNNEL) != 0) FG_SKB->transport_header = FG_SKB->network_header + outer;
  fg_follow_protocol(run, flags, FG_ENCAP_IPV4, FG_ENCAP_IPV6);
}

// `mode`: BPF_ADJ_ROOM_NET or _MAC.
static ulong fg_skb_adjust_room(fg_run* run, int change, uint mode, ulong flags) {
  const bool shrinks = change < 0;
  const uint bytes = shrinks ? 0u - (uint)change : (uint)change, base = fg_base_bytes(run);
  if ((flags & ~FG_ROOM_FLAGS) != 0) return FG_ERROR(FG_EINVAL);
  if (bytes > FG_MOST_CHANGE) return FG_ERROR(FG_EFAULT);
  if (base == 0 || mode > 1) return FG_ERROR(FG_ENOTSUPP);
  ulong error = shrinks ? fg_check_shrink(run, bytes, flags) : fg_check_grow(run, bytes, flags);
  if (error != 0) return error;
  const uint offset = fg_mac_bytes(run) + (mode == 0 ? base : 0);
  error = shrinks ? fg_remove(run, offset, bytes) : fg_insert(run, offset, bytes);
  if (error != 0) return error;
  if (shrinks) {
    fg_follow_protocol(run, flags, FG_DECAP_IPV4, FG_DECAP_IPV6);
  } else if ((flags & FG_ENCAP) != 0) {
    fg_encapsulate(run, flags);
  }
  if ((flags & FG_ROOM_NO_RESET) == 0) fg_reset_unnecessary(run);
  return 0;
}

// Of a stream's packet: at the front, where there are no headers to spare.
static ulong fg_skb_adjust_stream(fg_run* run, int change, uint mode, ulong flags) {
  const uint bytes = change < 0 ? 0u - (uint)change : (uint)change;
  if (flags != 0 || mode != 0) return FG_ERROR(FG_EINVAL);
  if (bytes > FG_MOST_CHANGE) return FG_ERROR(FG_EFAULT);
  if (change < 0) {
    if (fg_writable(run, 0, bytes) == FG_NOWHERE) return FG_ERROR(FG_ENOMEM);
    fg_move_front(run, run->data + bytes);
    return 0;
  }
  if (!fg_room(run, bytes, 0)) return 0;
  fg_move_front(run, run->data - bytes);
  fg_zero(run, run->data, bytes);
  return 0;
}

static ulong fg_skb_change_proto(fg_run* run, uint asked, ulong flags) {
  const uint from = fg_protocol(run), to = fg_swap16(asked & 0xffff), difference = FG_IPV6_HEADER - FG_IPV4_HEADER;
  if (flags != 0) return FG_ERROR(FG_EINVAL);
  ulong error = FG_ERROR(FG_ENOTSUPP);
  if (from == FG_ETH_P_IP && to == FG_ETH_P_IPV6) error = fg_insert(run, fg_mac_bytes(run), difference);
  if (from == FG_ETH_P_IPV6 && to == FG_ETH_P_IP) error = fg_remove(run, fg_mac_bytes(run), difference);
  if (error != 0) return error;
  fg_set_protocol(run, to);
  fg_clear_hash(run);
  return 0;
}

// ---- bpf_skb_change_tail, bpf_skb_change_head ----

// Headers that the stack knows of stay in the packet.
static uint fg_least_bytes(fg_run* run) {
  const long transport = (long)FG_SKB->transport_header - (long)run->data;
  if (FG_SKB->transport_header != FG_UNSET && transport > 0) return (uint)transport;
  return (uint)max(fg_network_offset(run), 0l);
}

static ulong fg_skb_change_tail(fg_run* run, uint bytes, ulong flags) {
  if (flags != 0 || bytes > FG_MOST_SKB_BYTES || bytes < fg_least_bytes(run)) return FG_ERROR(FG_EINVAL);
  if (FG_SKB->encapsulation != 0) return FG_ERROR(FG_ENOTSUPP);
  const uint old = fg_skb_bytes(run), more = bytes > old ? bytes - old : 0;
  if (!fg_room(run, 0, (ulong)run->packet_end + more)) return 0;
  fg_zero(run, run->packet_end, more);
  if (bytes != old && fg_has_complete(run)) FG_SKB->ip_summed = 0;
  run->end = run->packet_end = run->data + bytes;
  FG_SKB->len = bytes;
  if (fg_is_gso(run)) FG_SKB->gso_size = FG_SKB->gso_segs = 0;
  return 0;
}

static ulong fg_skb_change_head(fg_run* run, uint room, ulong flags) {
  const bool too_long = !fg_is_gso(run) && (ulong)fg_skb_bytes(run) + room > FG_MOST_SKB_BYTES;
  if (flags != 0 || (int)room < 0 || too_long) return FG_ERROR(FG_EINVAL);
  if (!fg_room(run, room, 0)) return 0;
  fg_move_front(run, run->data - room);
  fg_zero(run, run->data, room);
  FG_SKB->mac_header = run->data;
  FG_SKB->mac_length = fg_mac_bytes(run) & 0xffff;
  return 0;
}

// ---- VLAN tags: the outermost stands in the context's fields ----

#define FG_TAG_BYTES 4u
#define FG_ADDRESSES 12u  // of the Ethernet header, which tags follow

static void fg_set_tag(fg_run* run, uint present, uint protocol, uint control) {
  FG_SKB->vlan_present = present;
  FG_SKB->vlan_tci = control & 0xffff;
  FG_SKB->vlan_proto = fg_swap16(protocol);
}

static void fg_tag_into_bytes(fg_run* run) {
  if (!fg_room(run, FG_TAG_BYTES, (ulong)run->data + FG_ADDRESSES)) return;
  fg_move_front(run, run->data - FG_TAG_BYTES);
  fg_move_down(run, run->data, run->data + FG_TAG_BYTES, FG_ADDRESSES);
  const uint tag = run->data + FG_ADDRESSES;
  fg_set_half(run, tag, FG_SKB->vlan_proto & 0xffff);
  fg_set_half(run, tag + 2, fg_swap16(FG_SKB->vlan_tci & 0xffff));
  FG_SKB->mac_header -= FG_TAG_BYTES;
  FG_SKB->network_header -= FG_TAG_BYTES;
  FG_SKB->protocol = FG_SKB->vlan_proto & 0xffff;
  fg_bytes_come(run, run->packet + tag, FG_TAG_BYTES, 0);
}

// What the packet is, once the tag is off.
static uint fg_protocol_beneath(fg_run* run) {
  const uint type = fg_swap16(fg_half(run, run->data + FG_ETHERNET_HEADER + FG_TAG_BYTES - 2));
  if (type >= 0x600) return type;
  const long payload = fg_at(run, FG_ETHERNET_HEADER + FG_TAG_BYTES, 2);
  return payload != FG_NOWHERE && fg_half(run, payload) == 0xffff ? 1 : 4;  // ETH_P_802_3, ETH_P_802_2
}

static bool fg_tag_out_of_bytes(fg_run* run, uint* control) {
  if (fg_writable(run, 0, FG_ETHERNET_HEADER + FG_TAG_BYTES) == FG_NOWHERE) return false;
  fg_bytes_leave(run, run->packet + run->data + FG_ADDRESSES, FG_TAG_BYTES, 0);
  *control = fg_swap16(fg_half(run, run->data + FG_ETHERNET_HEADER));
  fg_set_protocol(run, fg_protocol_beneath(run));
  fg_move_up(run, run->data + FG_TAG_BYTES, run->data, FG_ADDRESSES);
  fg_move_front(run, run->data + FG_TAG_BYTES);
  FG_SKB->mac_header += FG_TAG_BYTES;
  if (fg_network_offset(run) < FG_ETHERNET_HEADER) FG_SKB->network_header = run->data + FG_ETHERNET_HEADER;
  return true;
}

static ulong fg_skb_vlan_push(fg_run* run, uint protocol, uint control) {
  const uint asked = fg_swap16(protocol & 0xffff);
  if (FG_SKB->vlan_present != 0) fg_tag_into_bytes(run);
  fg_set_tag(run, 1, fg_is_vlan(asked) ? asked : 0x8100, control);
  FG_SKB->mac_length = fg_mac_bytes(run) & 0xffff;
  return 0;
}

static ulong fg_pop_tag(fg_run* run) {
  uint control = 0;
  if (FG_SKB->vlan_present != 0) {
    fg_set_tag(run, 0, 0, 0);
  } else {
    if (!fg_is_vlan(fg_protocol(run))) return 0;
    if (!fg_tag_out_of_bytes(run, &control)) return FG_ERROR(FG_ENOMEM);
  }
  const uint next = fg_protocol(run);
  if (!fg_is_vlan(next)) return 0;
  if (!fg_tag_out_of_bytes(run, &control)) return FG_ERROR(FG_ENOMEM);
  fg_set_tag(run, 1, next, control);
  return 0;
}

static ulong fg_skb_vlan_pop(fg_run* run) {
  const ulong error = fg_pop_tag(run);
  FG_SKB->mac_length = fg_mac_bytes(run) & 0xffff;
  return error;
}
