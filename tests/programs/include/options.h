// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Lists of options in UDP packets to one port: each a type, a length and so many bytes of value, the end a type of its
// own.
//
// Tested by: xdp_tlv, xdp_options on captures/tlv.pcap.
#pragma once

#include <linux/udp.h>

#include "ip.h"

#define OPTIONS_PORT 4789

enum { OPTION_END };

struct option {
  __u8 type;
  __u8 length;  // of the value
};

// Moves the cursor, which stands behind the Ethernet header, to the first option.
static __always_inline bool has_options(struct cursor* cursor, const struct ethernet_header* ethernet) {
  if (ethernet->protocol != bpf_htons(ETH_P_IP)) return false;
  struct iphdr* ip = cursor_take(cursor, struct iphdr);
  if (!ip || ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_UDP) return false;
  struct udphdr* udp = cursor_take(cursor, struct udphdr);
  return udp && udp->dest == bpf_htons(OPTIONS_PORT);
}
