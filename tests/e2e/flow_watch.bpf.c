// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// A bit of everything that a libbpf application uses: constants set before loading, global variables, maps of several
// types, a ring buffer, a perf buffer and a tail call. It counts packets by protocol, reports some of them, and drops
// what it is told to drop.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flow_watch.h"

const volatile __u32 sample_every = 1;  // set by the application before loading
__u64 packets = 0;                      // .bss
__u32 next_sequence = 100;              // .data

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, __u8);
  __type(value, struct protocol_count);
} protocols SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} sizes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 16);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct prefix);
  __type(value, __u32);
} blocked SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} samples SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __type(key, __u32);
  __type(value, __u32);
} drops SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} steps SEC(".maps");

static __always_inline void count(__u8 protocol, __u32 bytes) {
  struct protocol_count* known = bpf_map_lookup_elem(&protocols, &protocol);
  if (known) {
    known->packets++;
    known->bytes += bytes;
  } else {
    struct protocol_count first = {.packets = 1, .bytes = bytes};
    bpf_map_update_elem(&protocols, &protocol, &first, BPF_ANY);
  }
  __u32 slot = bytes > 100;
  __u64* size = bpf_map_lookup_elem(&sizes, &slot);
  if (size) *size += 1;
}

static __always_inline void sample(const struct iphdr* ip, __u32 bytes) {
  struct sample* record = bpf_ringbuf_reserve(&samples, sizeof(*record), 0);
  if (!record) return;
  record->sequence = next_sequence++;
  record->source = ip->saddr;
  record->bytes = bytes;
  record->protocol = ip->protocol;
  bpf_ringbuf_submit(record, 0);
}

SEC("xdp")
int watch(struct xdp_md* ctx) {
  void* end = (void*)(long)ctx->data_end;
  struct ethhdr* ethernet = (void*)(long)ctx->data;
  struct iphdr* ip = (void*)(ethernet + 1);
  if ((void*)(ip + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP)) return XDP_PASS;
  const __u32 bytes = ctx->data_end - ctx->data;
  packets++;
  count(ip->protocol, bytes);
  if (sample_every && packets % sample_every == 0) sample(ip, bytes);
  struct prefix address = {.length = 32, .address = ip->saddr};
  if (bpf_map_lookup_elem(&blocked, &address)) bpf_tail_call(ctx, &steps, 0);
  return XDP_PASS;
}

SEC("xdp")
int drop(struct xdp_md* ctx) {
  struct drop_event event = {.reason = 7, .bytes = ctx->data_end - ctx->data};
  bpf_perf_event_output(ctx, &drops, BPF_F_CURRENT_CPU, &event, sizeof(event));
  return XDP_DROP;
}

SEC("xdp")
int pass_all(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
