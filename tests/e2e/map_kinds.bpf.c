// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Maps without keys, and maps of what packets are redirected to. See map_kinds.c.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "map_kinds.h"

struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, kCapacity);
  __type(value, __u32);
} queue SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK);
  __uint(max_entries, kCapacity);
  __type(value, __u32);
} stack SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
  __uint(max_entries, 1000);
  __uint(map_extra, 7);
  __type(value, __u32);
} seen SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
  __uint(max_entries, 1000);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CPUMAP);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, struct bpf_cpumap_val);
} cpus SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} sockets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} cgroups SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK_TRACE);
  __uint(max_entries, 10);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, 16 * sizeof(__u64));
} stacks SEC(".maps");

__u32 number;
__u64 push_flags;
struct outcome queued, stacked;

static void exercise(void* map, struct outcome* outcome) {
  __u32 value = number;
  outcome->push = bpf_map_push_elem(map, &value, push_flags);
  outcome->peek = bpf_map_peek_elem(map, &value);
  outcome->peeked = value;
  outcome->pop = bpf_map_pop_elem(map, &value);
  outcome->popped = value;
}

SEC("xdp")
int values(struct xdp_md* context) {
  __u32 value = number;
  __u64 one = 1;
  (void)context;
  exercise(&queue, &queued);
  exercise(&stack, &stacked);
  queued.member = bpf_map_peek_elem(&seen, &value);
  stacked.member = bpf_map_push_elem(&seen, &value, push_flags);
  __u64* count = bpf_map_lookup_elem(&counts, &value);
  if (count) {
    *count += 1;
  } else {
    bpf_map_update_elem(&counts, &value, &one, BPF_NOEXIST);
  }
  return XDP_PASS;
}

SEC("xdp")
int to_cpu(struct xdp_md* context) {
  (void)context;
  return (int)bpf_redirect_map(&cpus, number, push_flags);
}

SEC("xdp")
int to_socket(struct xdp_md* context) {
  (void)context;
  return (int)bpf_redirect_map(&sockets, number, push_flags);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
