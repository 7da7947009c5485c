// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Ethernet II with up to two VLAN tags (802.1Q, 802.1ad).
//
// Tested by: xdp1 and xdp2 on captures/mixed.pcap (no tag, one, two, three, and tags cut short).
#pragma once

#include <bpf/bpf_endian.h>
#include <linux/if_ether.h>

#include "cursor.h"
#include "views.h"

#define MAX_VLAN_TAGS 2
#define VLAN_ID_MASK 0x0fff

// Aligned to two bytes, as it always stands in a frame: clang then copies three words, not six bytes.
struct mac_address {
  __u8 bytes[ETH_ALEN];
} __attribute__((aligned(2)));

// As struct ethhdr of <linux/if_ether.h>, which is packed and therefore read byte by byte.
struct ethernet_header {
  struct mac_address destination;
  struct mac_address source;
  __be16 protocol;
};

struct vlan_tag {
  __be16 control;   // priority and VLAN id
  __be16 protocol;  // EtherType of what follows
};

static __always_inline bool is_vlan(__be16 protocol) {
  return protocol == bpf_htons(ETH_P_8021Q) || protocol == bpf_htons(ETH_P_8021AD);
}

// Moves past the Ethernet header and its tags. `protocol` becomes the EtherType behind them.
static __always_inline struct ethernet_header* take_ethernet(struct cursor* cursor, __be16* protocol) {
  struct ethernet_header* ethernet = cursor_take(cursor, struct ethernet_header);
  if (!ethernet) return NULL;
  *protocol = ethernet->protocol;
#pragma unroll
  for (int depth = 0; depth < MAX_VLAN_TAGS && is_vlan(*protocol); depth++) {
    struct vlan_tag* tag = cursor_take(cursor, struct vlan_tag);
    if (!tag) return NULL;
    *protocol = tag->protocol;
  }
  return ethernet;
}

// Turns a frame round: what it came from is where it goes.
static __always_inline void swap_addresses(struct ethernet_header* ethernet) {
  u16_view* destination = (u16_view*)&ethernet->destination;
  u16_view* source = (u16_view*)&ethernet->source;
#pragma unroll
  for (int i = 0; i < ETH_ALEN / 2; i++) {
    __u16 word = destination[i];
    destination[i] = source[i];
    source[i] = word;
  }
}
