// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// What xdp1 and xdp2 share: find a frame's transport protocol, and the map `protocols` that counts frames by it.
//
// Tested by: xdp1 and xdp2 on every capture.
#pragma once

#include "ip.h"

// Keys of `protocols` after the 256 IP protocol numbers.
enum other_protocol {
  PROTOCOL_NOT_IP = 256,
  PROTOCOL_CUT_SHORT,
  PROTOCOL_COUNT,
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, PROTOCOL_COUNT);
  __type(key, __u32);
  __type(value, __u64);
} protocols SEC(".maps");

// The IP protocol number, or one of enum other_protocol. The cursor stands at the frame's start.
static __always_inline __u32 find_protocol(struct cursor* cursor) {
  __be16 ether_type;
  if (!take_ethernet(cursor, &ether_type)) return PROTOCOL_CUT_SHORT;
  if (ether_type == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = cursor_take(cursor, struct iphdr);
    return ip ? ip->protocol : PROTOCOL_CUT_SHORT;
  }
  if (ether_type == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr* ip = cursor_take(cursor, struct ipv6hdr);
    return ip ? ip->nexthdr : PROTOCOL_CUT_SHORT;
  }
  return PROTOCOL_NOT_IP;
}

static __always_inline void count_protocol(__u32 protocol) {
  __u64* frames = bpf_map_lookup_elem(&protocols, &protocol);
  if (frames) ++*frames;
}
