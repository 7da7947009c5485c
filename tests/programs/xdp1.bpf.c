// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Parses Ethernet, VLAN tags and IPv4 or IPv6, counts frames by transport protocol, and drops them.
//
// Tested by: its rows of matrix.txt.
#include "protocols.h"

SEC("xdp")
int xdp1(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  count_protocol(find_protocol(&cursor));
  return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
