// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// IPv4 and IPv6 headers, the ports behind them, and one address type for both.
//
// Tested by: xdp_router_ipv4, xdp_simple_firewall, xdp_lb on captures/mixed.pcap (options, fragments, bad versions and
// lengths).
#pragma once

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "ethernet.h"

#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV4_MORE_FRAGMENTS 0x2000
#define DEFAULT_TTL 64  // and hop limit

// An IPv6 address, or an IPv4 one as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2).
struct address {
  __be32 words[4];
};

static __always_inline struct address address_of_ipv4(__be32 address) {
  return (struct address){.words = {0, 0, bpf_htonl(0xffff), address}};
}

static __always_inline struct address address_of_ipv6(const struct in6_addr* address) {
  struct address copy;
  __builtin_memcpy(&copy, address, sizeof(copy));
  return copy;
}

// Moves past the IPv4 header and its options; NULL where they are cut short or the header contradicts itself.
static __always_inline struct iphdr* take_ipv4(struct cursor* cursor) {
  struct cursor start = *cursor;
  struct iphdr* ip = cursor_take(cursor, struct iphdr);
  if (!ip || ip->version != 4 || ip->ihl < 5) return NULL;
  *cursor = start;  // and once more, by the length it gives: adding "the rest" would lose its range in the verifier
  return cursor_skip(cursor, ip->ihl * 4) ? ip : NULL;
}

// Moves past the fixed IPv6 header; extension headers stay for the caller.
static __always_inline struct ipv6hdr* take_ipv6(struct cursor* cursor) {
  struct ipv6hdr* ip = cursor_take(cursor, struct ipv6hdr);
  return ip && ip->version == 6 ? ip : NULL;
}

static __always_inline bool is_fragment(const struct iphdr* ip) {
  return ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET | IPV4_MORE_FRAGMENTS);
}

// The first four bytes of TCP, UDP, SCTP and UDP-Lite alike.
struct ports {
  __be16 source;
  __be16 destination;
};
