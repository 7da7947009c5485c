// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Programs that no verifier lets pass, among good ones.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

SEC("xdp")
int reads_unchecked_packet(struct xdp_md* ctx) {
  const __u8* data = (const __u8*)(long)ctx->data;
  const __u8* end = (const __u8*)(long)ctx->data_end;
  if (data + 13 > end) return XDP_DROP;
  return data[13] == 8 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int forgets_the_null_check(struct xdp_md* ctx) {
  __u32 key = ctx->rx_queue_index;
  __u64* count = bpf_map_lookup_elem(&counts, &key);
  *count += 1;
  return XDP_PASS;
}

SEC("xdp")
int is_fine(struct xdp_md* ctx) {
  __u32 key = ctx->rx_queue_index;
  __u64* count = bpf_map_lookup_elem(&counts, &key);
  if (count) *count += 1;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
