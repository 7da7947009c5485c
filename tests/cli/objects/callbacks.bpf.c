// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Functions that helpers call back, and memory that helpers lend: loops, iteration over a map, dynptrs.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} sums SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} events SEC(".maps");

struct total {
  __u64 sum;
  __u32 rounds;
};

static long add_round(__u32 round, struct total* total) {
  total->sum += round;
  return total->sum > 100000;
}

struct bpf_map;

static long add_entry(struct bpf_map* map, const __u32* key, __u64* value, struct total* total) {
  (void)map, (void)key;
  total->sum += *value;
  return 0;
}

SEC("xdp")
int loops_by_callback(struct xdp_md* ctx) {
  struct total total = {};
  (void)ctx;
  total.rounds = bpf_loop(1000, add_round, &total, 0);
  return total.sum > 10 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int adds_up_a_map(struct xdp_md* ctx) {
  struct total total = {};
  (void)ctx;
  bpf_for_each_map_elem(&sums, add_entry, &total, 0);
  return total.sum ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int reports_by_dynptr(struct xdp_md* ctx) {
  struct bpf_dynptr record;
  __u32 length = ctx->data_end - ctx->data;
  if (bpf_ringbuf_reserve_dynptr(&events, 64, 0, &record) == 0) bpf_dynptr_write(&record, 0, &length, sizeof length, 0);
  bpf_ringbuf_submit_dynptr(&record, 0);
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
