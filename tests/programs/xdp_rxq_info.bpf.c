// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Counts frames by receive queue, and by the pair of interface and queue, then does what `action` says.
//
// `action` is plain global data: user space changes it in the map `.data` while the program runs. With XDP_TX the frame
// goes back with its addresses swapped. Queues from MAX_QUEUES on share the last counter.
//
// Tested by: its rows of matrix.txt.
#include "counter.h"
#include "ethernet.h"

#define MAX_QUEUES 64

struct arrival {
  __u32 ifindex;
  __u32 queue;
};

volatile __u32 action = XDP_DROP;

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, MAX_QUEUES + 1);
  __type(key, __u32);
  __type(value, struct counter);
} queues SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 1024);
  __type(key, struct arrival);
  __type(value, struct counter);
} arrivals SEC(".maps");

static __always_inline void count_queue(__u32 queue, __u64 bytes) {
  __u32 row = queue < MAX_QUEUES ? queue : MAX_QUEUES;
  struct counter* counter = bpf_map_lookup_elem(&queues, &row);
  if (counter) count_per_cpu(counter, bytes);
}

static __always_inline void count_arrival(const struct arrival* arrival, __u64 bytes) {
  struct counter* counter = bpf_map_lookup_elem(&arrivals, arrival);
  if (counter) {
    count_per_cpu(counter, bytes);
    return;
  }
  struct counter first = {.packets = 1, .bytes = bytes};
  bpf_map_update_elem(&arrivals, arrival, &first, BPF_NOEXIST);
}

SEC("xdp")
int xdp_rxq_info(struct xdp_md* ctx) {
  struct arrival arrival = {.ifindex = ctx->ingress_ifindex, .queue = ctx->rx_queue_index};
  count_queue(arrival.queue, frame_length(ctx));
  count_arrival(&arrival, frame_length(ctx));

  __u32 verdict = action;
  if (verdict != XDP_TX) return verdict;
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  swap_addresses(ethernet);
  return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
