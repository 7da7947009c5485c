// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A router for IPv4 and IPv6 that keeps no tables of its own: bpf_fib_lookup asks the host's. The map `results` counts
// what the lookups answered (BPF_FIB_LKUP_RET_*).
//
// A packet that may not be forwarded here (to a group, to the link, with its hops used up) passes to the host's stack,
// like every packet for which the lookup found no complete way out; blackholes and their like drop.
//
// Tested by: its rows of matrix.txt.
#include <linux/ipv6.h>

#include "checksum.h"

#ifndef AF_INET  // the C library's headers are not for BPF
#define AF_INET 2
#define AF_INET6 10
#endif

#define FIB_RESULTS (BPF_FIB_LKUP_RET_FRAG_NEEDED + 1)

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, FIB_RESULTS);
  __type(key, __u32);
  __type(value, __u64);
} results SEC(".maps");

static __always_inline bool is_forwardable_ipv4(const struct iphdr* ip) {
  return ip->version == 4 && ip->ihl == 5 && ip->ttl > 1 && !IN_MULTICAST(bpf_ntohl(ip->daddr));
}

// Neither ff00::/8 (groups) nor fe80::/10 (one link).
static __always_inline bool is_forwardable_ipv6(const struct ipv6hdr* ip) {
  const __u8* destination = ip->daddr.in6_u.u6_addr8;
  bool is_link_local = destination[0] == 0xfe && (destination[1] & 0xc0) == 0x80;
  return ip->version == 6 && ip->hop_limit > 1 && destination[0] != 0xff && !is_link_local;
}

// What the packet did not get through to: drop where the answer is "no", pass where the stack may know better.
static __always_inline int verdict_of(__u32 result) {
  switch (result) {
    case BPF_FIB_LKUP_RET_BLACKHOLE:
    case BPF_FIB_LKUP_RET_UNREACHABLE:
    case BPF_FIB_LKUP_RET_PROHIBIT:
      return XDP_DROP;
    default:
      return XDP_PASS;
  }
}

// The helper reads all of the query, members of unions and padding included, so all of it is written first.
static __always_inline struct bpf_fib_lookup empty_query(__u8 family, const struct xdp_md* ctx) {
  struct bpf_fib_lookup query;
  __builtin_memset(&query, 0, sizeof(query));
  query.family = family;
  query.ifindex = ctx->ingress_ifindex;
  return query;
}

static __always_inline __u32 look_up(struct xdp_md* ctx, struct bpf_fib_lookup* query) {
  __u32 result = bpf_fib_lookup(ctx, query, sizeof(*query), 0);
  __u64* frames = bpf_map_lookup_elem(&results, &result);
  if (frames) __sync_fetch_and_add(frames, 1);
  return result;
}

static __always_inline int leave(struct ethernet_header* ethernet, const struct bpf_fib_lookup* found) {
  __builtin_memcpy(&ethernet->destination, found->dmac, ETH_ALEN);
  __builtin_memcpy(&ethernet->source, found->smac, ETH_ALEN);
  return bpf_redirect(found->ifindex, 0);
}

static __always_inline int route_ipv4(struct xdp_md* ctx, struct ethernet_header* ethernet, struct cursor* cursor) {
  struct iphdr* ip = cursor_take(cursor, struct iphdr);
  if (!ip || !is_forwardable_ipv4(ip)) return XDP_PASS;
  struct bpf_fib_lookup query = empty_query(AF_INET, ctx);
  query.l4_protocol = ip->protocol;
  query.tot_len = bpf_ntohs(ip->tot_len);
  query.tos = ip->tos;
  query.ipv4_src = ip->saddr;
  query.ipv4_dst = ip->daddr;
  __u32 result = look_up(ctx, &query);
  if (result != BPF_FIB_LKUP_RET_SUCCESS) return verdict_of(result);
  decrement_ttl(ip);
  return leave(ethernet, &query);
}

static __always_inline int route_ipv6(struct xdp_md* ctx, struct ethernet_header* ethernet, struct cursor* cursor) {
  struct ipv6hdr* ip = cursor_take(cursor, struct ipv6hdr);
  if (!ip || !is_forwardable_ipv6(ip)) return XDP_PASS;
  struct bpf_fib_lookup query = empty_query(AF_INET6, ctx);
  query.l4_protocol = ip->nexthdr;
  query.tot_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
  __builtin_memcpy(query.ipv6_src, &ip->saddr, sizeof(ip->saddr));
  __builtin_memcpy(query.ipv6_dst, &ip->daddr, sizeof(ip->daddr));
  __u32 result = look_up(ctx, &query);
  if (result != BPF_FIB_LKUP_RET_SUCCESS) return verdict_of(result);
  ip->hop_limit--;
  return leave(ethernet, &query);
}

SEC("xdp")
int xdp_fib(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  if (ethernet->protocol == bpf_htons(ETH_P_IP)) return route_ipv4(ctx, ethernet, &cursor);
  if (ethernet->protocol == bpf_htons(ETH_P_IPV6)) return route_ipv6(ctx, ethernet, &cursor);
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
