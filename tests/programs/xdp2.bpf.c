// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// xdp1 with an answer: counts frames by transport protocol and sends them back; what cannot be parsed is dropped.
//
// Tested by: its rows of matrix.txt.
#include "protocols.h"

SEC("xdp")
int xdp2(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __u32 protocol = find_protocol(&cursor);
  count_protocol(protocol);
  if (protocol == PROTOCOL_CUT_SHORT) return XDP_DROP;

  struct cursor again = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&again, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  swap_addresses(ethernet);
  return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
