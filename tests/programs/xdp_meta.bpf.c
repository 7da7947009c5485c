// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Packet metadata: classifies each frame, writes the class in front of the packet where the next program on its way
// finds it, and judges by that alone.
//
//   | metadata | Ethernet | ...          between data_meta and data
//
// `write_class` knows packets and no policy; `judge_by_class` knows policy and reads no packet. IPv4 and ARP pass with
// their metadata; IPv6 passes without (the space is given back); anything else drops.
//
// Tested by: its rows of matrix.txt.
#include "ethernet.h"
#include "verdicts.h"

enum frame_class {
  CLASS_OTHER,
  CLASS_ARP,
  CLASS_IPV4,
  CLASS_IPV6,
};

struct metadata {
  __u32 class;
  __u32 frame_bytes;
};

static __always_inline __u32 classify(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol)) return CLASS_OTHER;
  switch (bpf_ntohs(protocol)) {
    case ETH_P_ARP:
      return CLASS_ARP;
    case ETH_P_IP:
      return CLASS_IPV4;
    case ETH_P_IPV6:
      return CLASS_IPV6;
    default:
      return CLASS_OTHER;
  }
}

static __always_inline struct metadata* metadata_of(struct xdp_md* ctx) {
  struct cursor cursor = {.position = (void*)(long)ctx->data_meta, .end = frame_start(ctx)};
  return cursor_take(&cursor, struct metadata);
}

static __always_inline bool write_class(struct xdp_md* ctx) {
  __u32 class = classify(ctx);
  if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(struct metadata))) return false;
  struct metadata* metadata = metadata_of(ctx);
  if (!metadata) return false;
  metadata->class = class;
  metadata->frame_bytes = frame_length(ctx);
  return true;
}

static __always_inline int judge_by_class(struct xdp_md* ctx) {
  struct metadata* metadata = metadata_of(ctx);
  if (!metadata) return XDP_ABORTED;
  __u64 bytes = metadata->frame_bytes;
  __u32 class = metadata->class;
  if (class == CLASS_IPV6 && bpf_xdp_adjust_meta(ctx, sizeof(*metadata))) return XDP_ABORTED;
  return count_verdict(class == CLASS_OTHER ? XDP_DROP : XDP_PASS, bytes);
}

SEC("xdp")
int xdp_meta(struct xdp_md* ctx) { return write_class(ctx) ? judge_by_class(ctx) : XDP_ABORTED; }

char LICENSE[] SEC("license") = "GPL";
