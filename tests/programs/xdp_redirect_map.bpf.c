// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Sends each frame out of one of four ports, with its addresses swapped. The lowest two bits of the source address
// choose the slot of the device map; a slot that user space left empty drops the frame, by the fallback that
// bpf_redirect_map takes in its flags.
//
// Tested by: its rows of matrix.txt.
#include "counter.h"
#include "ethernet.h"

#define PORTS 4

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, PORTS);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} ports SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, PORTS);
  __type(key, __u32);
  __type(value, struct counter);
} offered SEC(".maps");

SEC("xdp")
int xdp_redirect_map(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  __u32 slot = ethernet->source.bytes[ETH_ALEN - 1] % PORTS;
  struct counter* counter = bpf_map_lookup_elem(&offered, &slot);
  if (counter) count_per_cpu(counter, frame_length(ctx));
  swap_addresses(ethernet);
  return bpf_redirect_map(&ports, slot, XDP_DROP);
}

char LICENSE[] SEC("license") = "GPL";
