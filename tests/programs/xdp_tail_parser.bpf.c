// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A parser made of tail calls: one program per header, each of which finds the next one in a program array that libbpf
// fills from the initialiser below. What they hand on (how far, and what comes next) stands in a per-CPU scratch map.
//
//   xdp_tail_parser ──▶ vlan ⟲ ──▶ ipv4 ─────────────────▶ tcp | udp | icmp
//                          └──▶ ipv6 ──▶ extension ⟲ ──▶ tcp | udp | icmp
//
// A packet passes when its headers end where they should. A protocol without a parser leaves its slot empty: the tail
// call falls through and the packet drops, as does one with more headers than the limit of 33 tail calls allows.
//
// Tested by: its rows of matrix.txt.
#include "ip.h"

#define MAX_OFFSET 1024  // no header starts later

enum parser {
  PARSE_VLAN,
  PARSE_IPV4,
  PARSE_IPV6,
  PARSE_EXTENSION,
  PARSE_TCP,
  PARSE_UDP,
  PARSE_ICMP,
  PARSE_UNKNOWN,  // the slot that stays empty
  PARSERS,
};

struct parse_state {
  __u32 offset;       // of the next header
  __u32 next_header;  // an extension's type, while in IPv6
};

struct parse_stats {
  __u64 headers[PARSERS];
  __u64 complete;
  __u64 cut_short;
  __u64 unknown;
  __u64 too_deep;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct parse_state);
} scratch SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct parse_stats);
} stats SEC(".maps");

int parse_vlan(struct xdp_md* ctx);
int parse_ipv4(struct xdp_md* ctx);
int parse_ipv6(struct xdp_md* ctx);
int parse_extension(struct xdp_md* ctx);
int parse_tcp(struct xdp_md* ctx);
int parse_udp(struct xdp_md* ctx);
int parse_icmp(struct xdp_md* ctx);

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, PARSERS);
  __uint(key_size, sizeof(__u32));
  __array(values, int(struct xdp_md*));
} parsers SEC(".maps") = {
    .values =
        {
            [PARSE_VLAN] = (void*)&parse_vlan,
            [PARSE_IPV4] = (void*)&parse_ipv4,
            [PARSE_IPV6] = (void*)&parse_ipv6,
            [PARSE_EXTENSION] = (void*)&parse_extension,
            [PARSE_TCP] = (void*)&parse_tcp,
            [PARSE_UDP] = (void*)&parse_udp,
            [PARSE_ICMP] = (void*)&parse_icmp,
        },
};

static __always_inline struct parse_stats* counters(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&stats, &zero);
}

static __always_inline struct parse_state* state(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&scratch, &zero);
}

#define COUNT(field)                                       \
  ({                                                       \
    struct parse_stats* counts_ = counters();              \
    if (counts_) __sync_fetch_and_add(&counts_->field, 1); \
  })

static __always_inline int finish(void) {
  COUNT(complete);
  return XDP_PASS;
}

static __always_inline int cut_short(void) {
  COUNT(cut_short);
  return XDP_DROP;
}

// Goes on with `parser`. A tail call returns only where it failed: the slot is empty, or the limit is reached.
static __always_inline int go_on(struct xdp_md* ctx, enum parser parser) {
  bpf_tail_call(ctx, &parsers, parser);
  if (parser == PARSE_UNKNOWN) {
    COUNT(unknown);
  } else {
    COUNT(too_deep);
  }
  return XDP_DROP;
}

static __always_inline enum parser parser_of_ether_type(__be16 protocol) {
  if (is_vlan(protocol)) return PARSE_VLAN;
  if (protocol == bpf_htons(ETH_P_IP)) return PARSE_IPV4;
  return protocol == bpf_htons(ETH_P_IPV6) ? PARSE_IPV6 : PARSE_UNKNOWN;
}

static __always_inline enum parser parser_of_protocol(__u8 protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
      return PARSE_TCP;
    case IPPROTO_UDP:
      return PARSE_UDP;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      return PARSE_ICMP;
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
      return PARSE_EXTENSION;
    default:
      return PARSE_UNKNOWN;
  }
}

// `size` bytes at the offset that the last parser left; NULL where the frame is shorter.
static __always_inline void* header_at(struct xdp_md* ctx, const struct parse_state* at, __u32 size) {
  __u32 offset = at->offset;
  if (offset > MAX_OFFSET) return NULL;
  struct cursor cursor = cursor_at_start(ctx);
  cursor.position += offset;
  void* header = cursor.position;
  return cursor_skip(&cursor, size) ? header : NULL;
}

SEC("xdp")
int xdp_tail_parser(struct xdp_md* ctx) {
  struct parse_state* at = state();
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!at || !ethernet) return cut_short();
  at->offset = sizeof(*ethernet);
  return go_on(ctx, parser_of_ether_type(ethernet->protocol));
}

SEC("xdp")
int parse_vlan(struct xdp_md* ctx) {
  COUNT(headers[PARSE_VLAN]);
  struct parse_state* at = state();
  struct vlan_tag* tag = at ? header_at(ctx, at, sizeof(*tag)) : NULL;
  if (!tag) return cut_short();
  at->offset += sizeof(*tag);
  return go_on(ctx, parser_of_ether_type(tag->protocol));
}

SEC("xdp")
int parse_ipv4(struct xdp_md* ctx) {
  COUNT(headers[PARSE_IPV4]);
  struct parse_state* at = state();
  struct iphdr* ip = at ? header_at(ctx, at, sizeof(*ip)) : NULL;
  if (!ip || ip->ihl < 5) return cut_short();
  if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET)) return finish();  // what follows is not a header
  at->offset += ip->ihl * 4;
  return go_on(ctx, parser_of_protocol(ip->protocol));
}

SEC("xdp")
int parse_ipv6(struct xdp_md* ctx) {
  COUNT(headers[PARSE_IPV6]);
  struct parse_state* at = state();
  struct ipv6hdr* ip = at ? header_at(ctx, at, sizeof(*ip)) : NULL;
  if (!ip) return cut_short();
  at->offset += sizeof(*ip);
  at->next_header = ip->nexthdr;
  return go_on(ctx, parser_of_protocol(ip->nexthdr));
}

// Hop-by-hop options, routing and destination options share their first two bytes (RFC 8200, section 4).
SEC("xdp")
int parse_extension(struct xdp_md* ctx) {
  COUNT(headers[PARSE_EXTENSION]);
  struct parse_state* at = state();
  struct ipv6_opt_hdr* extension = at ? header_at(ctx, at, sizeof(*extension)) : NULL;
  if (!extension) return cut_short();
  at->offset += (extension->hdrlen + 1) * 8;
  at->next_header = extension->nexthdr;
  return go_on(ctx, parser_of_protocol(extension->nexthdr));
}

static __always_inline int parse_last(struct xdp_md* ctx, __u32 size) {
  struct parse_state* at = state();
  return at && header_at(ctx, at, size) ? finish() : cut_short();
}

SEC("xdp")
int parse_tcp(struct xdp_md* ctx) {
  COUNT(headers[PARSE_TCP]);
  return parse_last(ctx, 20);
}

SEC("xdp")
int parse_udp(struct xdp_md* ctx) {
  COUNT(headers[PARSE_UDP]);
  return parse_last(ctx, 8);
}

SEC("xdp")
int parse_icmp(struct xdp_md* ctx) {
  COUNT(headers[PARSE_ICMP]);
  return parse_last(ctx, 8);
}

char LICENSE[] SEC("license") = "GPL";
