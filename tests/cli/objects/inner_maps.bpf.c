// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Maps of maps: chosen by a constant index and by a key, filled by libbpf from what stands here.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct counters {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} first SEC(".maps"), second SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 2);
  __type(key, __u32);
  __array(values, struct counters);
} by_index SEC(".maps") = {.values = {&first, &second}};

struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 8);
  __type(key, __u32);
  __array(
      values, struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 16);
        __type(key, __u32);
        __type(value, __u32);
      });
} by_key SEC(".maps");

SEC("xdp")
int counts_in_one_of_two(struct xdp_md* ctx) {
  __u32 which = ctx->rx_queue_index & 1, slot = 3;
  void* inner = bpf_map_lookup_elem(&by_index, &which);
  __u64* count = inner ? bpf_map_lookup_elem(inner, &slot) : 0;
  if (count) __sync_fetch_and_add(count, 1);
  return XDP_PASS;
}

SEC("xdp")
int remembers_in_a_map_by_key(struct xdp_md* ctx) {
  __u32 key = ctx->ingress_ifindex, value = 1;
  void* inner = bpf_map_lookup_elem(&by_key, &key);
  if (!inner) return XDP_DROP;
  bpf_map_update_elem(inner, &key, &value, BPF_ANY);
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
