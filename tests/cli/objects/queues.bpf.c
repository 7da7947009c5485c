// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Maps without keys: queue, stack, Bloom filter.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, 16);
  __type(value, __u64);
} waiting SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK);
  __uint(max_entries, 16);
  __type(value, __u32);
} free_ports SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
  __uint(max_entries, 1000);
  __uint(map_extra, 3);
  __type(value, __u32);
} seen SEC(".maps");

SEC("tc")
int takes_and_gives(struct __sk_buff* skb) {
  __u64 value = skb->len;
  __u32 port = 0;
  bpf_map_push_elem(&waiting, &value, BPF_EXIST);
  if (bpf_map_pop_elem(&free_ports, &port) < 0) return 0;
  if (bpf_map_peek_elem(&waiting, &value) == 0 && value > 100) bpf_map_push_elem(&free_ports, &port, BPF_ANY);
  return 0;
}

SEC("tc")
int knows_packets_again(struct __sk_buff* skb) {
  __u32 hash = bpf_get_hash_recalc(skb);
  if (bpf_map_peek_elem(&seen, &hash) == 0) return 2;
  bpf_map_push_elem(&seen, &hash, BPF_ANY);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
