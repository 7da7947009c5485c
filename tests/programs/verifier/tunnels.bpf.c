// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Decapsulation in XDP: IPIP, IP6IP6, GRE with its optional fields, VXLAN, GTP-U with extension headers. The outer
// headers have a length that is only known as a range; adjust_head takes it away, and the Ethernet header is put back.
#include <linux/udp.h>

#include "ip.h"
#include "verdicts.h"

#define GRE_CHECKSUM 0x8000
#define GRE_KEY 0x2000
#define GRE_SEQUENCE 0x1000
#define VXLAN_PORT 4789
#define GTP_PORT 2152

struct gre {
  __be16 flags;
  __be16 protocol;
};

struct vxlan {
  __be32 flags;
  __be32 vni;
};

struct gtp {
  __u8 flags;
  __u8 type;
  __be16 length;
  __be32 tunnel;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, __u32);
} tunnels SEC(".maps");

static __always_inline bool known(__u32 tunnel) {
  __u32* mark = bpf_map_lookup_elem(&tunnels, &tunnel);
  return mark && *mark;
}

// Takes `bytes` out behind the Ethernet header.
static __always_inline int strip(struct xdp_md* ctx, int bytes, __be16 protocol) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* before = cursor_take(&cursor, struct ethernet_header);
  if (!before) return XDP_DROP;
  struct ethernet_header copy = *before;
  if (bpf_xdp_adjust_head(ctx, bytes)) return XDP_DROP;
  cursor = cursor_at_start(ctx);
  struct ethernet_header* after = cursor_take(&cursor, struct ethernet_header);
  if (!after) return XDP_ABORTED;
  *after = copy;
  after->protocol = protocol;
  return count_verdict(XDP_PASS, bytes);
}

static __always_inline int from_gre(struct xdp_md* ctx, struct cursor cursor, void* network) {
  struct gre* gre = cursor_take(&cursor, struct gre);
  if (!gre || gre->flags & bpf_htons(0x4fff)) return XDP_DROP;
  __be16 flags = gre->flags;
  __be16 protocol = gre->protocol;
  if (flags & bpf_htons(GRE_CHECKSUM) && !cursor_skip(&cursor, 4)) return XDP_DROP;
  if (flags & bpf_htons(GRE_KEY)) {
    __be32* key = cursor_take(&cursor, __be32);
    if (!key || !known(bpf_ntohl(*key))) return XDP_DROP;
  }
  if (flags & bpf_htons(GRE_SEQUENCE) && !cursor_skip(&cursor, 4)) return XDP_DROP;
  return strip(ctx, cursor.position - network, protocol);
}

static __always_inline int from_vxlan(struct xdp_md* ctx, struct cursor cursor) {
  struct vxlan* vxlan = cursor_take(&cursor, struct vxlan);
  if (!vxlan || !(vxlan->flags & bpf_htonl(0x08000000))) return XDP_DROP;
  if (!known(bpf_ntohl(vxlan->vni) >> 8)) return XDP_DROP;
  if (bpf_xdp_adjust_head(ctx, cursor.position - frame_start(ctx))) return XDP_DROP;
  struct cursor inner = cursor_at_start(ctx);
  __be16 protocol;
  struct ethernet_header* ethernet = take_ethernet(&inner, &protocol);
  if (!ethernet) return XDP_DROP;
  return count_verdict(protocol == bpf_htons(ETH_P_IP) ? XDP_PASS : XDP_DROP, frame_length(ctx));
}

static __always_inline int from_gtp(struct xdp_md* ctx, struct cursor cursor, void* network) {
  struct gtp* gtp = cursor_take(&cursor, struct gtp);
  if (!gtp || gtp->flags >> 5 != 1 || gtp->type != 255 || !known(bpf_ntohl(gtp->tunnel))) return XDP_DROP;
  if (gtp->flags & 7) {
    __u8* optional = cursor.position;
    if (!cursor_skip(&cursor, 4)) return XDP_DROP;
    __u8 next = optional[3];
#pragma clang loop unroll(disable)
    for (int i = 0; i < 4 && next; i++) {
      struct cursor start = cursor;
      __u8* extension = cursor.position;
      if (!cursor_skip(&cursor, 4)) return XDP_DROP;
      __u32 bytes = extension[0] * 4;
      if (bytes < 4) return XDP_DROP;
      cursor = start;
      if (!cursor_skip(&cursor, bytes)) return XDP_DROP;
      __u8* last = cursor.position - 1;
      next = *last;
    }
  }
  __u8* version = cursor.position;
  if ((void*)(version + 1) > cursor.end) return XDP_DROP;
  __be16 protocol = *version >> 4 == 6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
  return strip(ctx, cursor.position - network, protocol);
}

static __always_inline int from(struct xdp_md* ctx, struct cursor cursor, void* network, __u8 protocol) {
  struct udphdr* udp;
  switch (protocol) {
    case IPPROTO_IPIP:
      return strip(ctx, cursor.position - network, bpf_htons(ETH_P_IP));
    case IPPROTO_IPV6:
      return strip(ctx, cursor.position - network, bpf_htons(ETH_P_IPV6));
    case IPPROTO_GRE:
      return from_gre(ctx, cursor, network);
    case IPPROTO_UDP:
      udp = cursor_take(&cursor, struct udphdr);
      if (!udp) return XDP_DROP;
      if (udp->dest == bpf_htons(VXLAN_PORT)) return from_vxlan(ctx, cursor);
      if (udp->dest == bpf_htons(GTP_PORT)) return from_gtp(ctx, cursor, network);
      return XDP_PASS;
    default:
      return XDP_PASS;
  }
}

SEC("xdp")
int decapsulate(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  void* network = cursor.position;
  if (ethernet->protocol == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = take_ipv4(&cursor);
    return ip ? from(ctx, cursor, network, ip->protocol) : XDP_DROP;
  }
  if (ethernet->protocol == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr* ip = take_ipv6(&cursor);
    return ip ? from(ctx, cursor, network, ip->nexthdr) : XDP_DROP;
  }
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
