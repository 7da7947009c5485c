// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// What the examples of tests/programs do not have together: programs of two types, a program left out of the load, a
// name longer than the 15 characters the kernel keeps, maps with different abilities.
//
// Tested by: tests/unit/api_test.cc.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} table SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} lanes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");

SEC("xdp")
int count_on_this_cpu(struct xdp_md* ctx) {
  (void)ctx;
  __u32 key = 7;
  __u32* count = bpf_map_lookup_elem(&lanes, &key);
  if (count) *count += 1;
  return XDP_PASS;
}

SEC("xdp")
int redirect_but_drop(struct xdp_md* ctx) {
  (void)ctx;
  bpf_redirect(3, 0);
  return XDP_DROP;
}

SEC("tc")
int classify(struct __sk_buff* skb) {
  (void)skb;
  __u32 key = 0;
  bpf_ringbuf_output(&ring, &key, sizeof(key), 0);
  return bpf_map_lookup_elem(&table, &key) ? 1 : 0;
}

SEC("?xdp")
int left_out(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
