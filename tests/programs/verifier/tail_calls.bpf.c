// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Tail-call dispatchers: by a constant index, by one from the packet, from a subprogram, and a pipeline that keeps its
// state in packet metadata and in a per-CPU map.
#include "ip.h"
#include "verdicts.h"

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, __u32);
} by_protocol SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, __u32);
} stages SEC(".maps");

struct progress {
  __u32 stage;
  __u32 offset;
  __u32 hash;
  __u32 mark;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct progress);
} progress SEC(".maps");

static __always_inline struct progress* get_progress(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&progress, &zero);
}

SEC("xdp")
int dispatch(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol)) return XDP_DROP;
  struct progress* state = get_progress();
  if (!state) return XDP_ABORTED;
  state->offset = cursor.position - frame_start(ctx);
  state->stage = 0;
  if (protocol == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = take_ipv4(&cursor);
    if (!ip) return XDP_DROP;
    bpf_tail_call(ctx, &by_protocol, ip->protocol);
    return count_verdict(XDP_PASS, ip->protocol);
  }
  switch (bpf_ntohs(protocol)) {
    case ETH_P_IPV6:
      bpf_tail_call(ctx, &stages, 0);
      break;
    case ETH_P_ARP:
      bpf_tail_call(ctx, &stages, 1);
      break;
    case ETH_P_LLDP:
      bpf_tail_call(ctx, &stages, 2);
      break;
    default:
      bpf_tail_call(ctx, &stages, 7);
  }
  return XDP_PASS;
}

static __noinline int next_stage(struct xdp_md* ctx, __u32 stage) {
  struct progress* state = get_progress();
  if (!state) return XDP_ABORTED;
  state->stage = stage + 1;
  bpf_tail_call(ctx, &stages, stage);
  return XDP_PASS;
}

SEC("xdp")
int stage(struct xdp_md* ctx) {
  struct progress* state = get_progress();
  if (!state) return XDP_ABORTED;
  __u32 offset = state->offset;
  if (offset > 256) return XDP_DROP;
  struct cursor cursor = cursor_at_start(ctx);
  if (!cursor_skip(&cursor, offset)) return XDP_DROP;
  __u32* word = cursor_take(&cursor, __u32);
  if (!word) return XDP_DROP;
  state->hash = (state->hash ^ *word) * 0x9e3779b1;
  state->offset = offset + 4;
  if (state->stage < 6) return next_stage(ctx, state->stage);
  return count_verdict(state->hash & 1 ? XDP_PASS : XDP_DROP, offset);
}

SEC("xdp")
int with_metadata(struct xdp_md* ctx) {
  if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(struct progress))) return XDP_ABORTED;
  struct progress* state = (void*)(long)ctx->data_meta;
  if ((void*)(state + 1) > (void*)(long)ctx->data) return XDP_ABORTED;
  state->stage = 1;
  state->offset = 0;
  state->hash = bpf_get_prandom_u32();
  state->mark = ctx->rx_queue_index;
  bpf_tail_call(ctx, &stages, state->mark & 7);
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
