// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// The program of tenants.c: each tenant, named by the first byte of a frame, has counters in a map of its own.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct counters {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 8);
  __type(key, __u32);
  __array(values, struct counters);
} tenants SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} strangers SEC(".maps");

const volatile __u32 most_strangers = 1;

SEC("xdp")
int count_tenant(struct xdp_md* frame) {
  __u8* data = (void*)(long)frame->data;
  __u64 first = 1, *count;
  __u32 tenant, slot;
  void* counters;

  if (data + 2 > (__u8*)(long)frame->data_end) return XDP_DROP;
  tenant = data[0];
  slot = data[1] & 3;
  counters = bpf_map_lookup_elem(&tenants, &tenant);
  if (counters) {
    count = bpf_map_lookup_elem(counters, &slot);
    if (count) __sync_fetch_and_add(count, 1);
    return XDP_PASS;
  }
  if (tenant >= most_strangers) return XDP_ABORTED;
  if (bpf_map_update_elem(&strangers, &tenant, &first, BPF_NOEXIST)) {
    count = bpf_map_lookup_elem(&strangers, &tenant);
    if (count) __sync_fetch_and_add(count, 1);
  }
  return XDP_DROP;
}

char licence[] SEC("license") = "GPL";
