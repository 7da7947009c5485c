// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Sends every frame back to where it came from. A frame too short for an Ethernet header is dropped.
//
// Tested by: its rows of matrix.txt.
#include "ethernet.h"

SEC("xdp")
int xdp_tx(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  swap_addresses(ethernet);
  return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
