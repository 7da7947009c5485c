// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// IPv6 extension headers three ways: unrolled by clang, as a bounded loop, and as a bounded loop in a function of its
// own that is called twice (outer and tunnelled packet). Every step moves a packet pointer by a length from the packet.
#include "ip.h"
#include "verdicts.h"

struct extension {
  __u8 next;
  __u8 length;
  __u8 data[6];
};

struct authentication {
  __u8 next;
  __u8 length;  // in 4 bytes, less 2
  __be16 reserved;
  __be32 index, sequence;
};

// Moves one header on. False where the chain ends or is cut short; `next` is then what was found.
static __always_inline bool step(struct cursor* cursor, __u8* next) {
  struct extension* extension;
  struct authentication* authentication;
  struct cursor start = *cursor;
  switch (*next) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
    case 135:  // mobility
      extension = cursor_take(cursor, struct extension);
      if (!extension) return false;
      *next = extension->next;
      *cursor = start;
      return cursor_skip(cursor, (extension->length + 1) * 8);
    case IPPROTO_FRAGMENT:
      extension = cursor_take(cursor, struct extension);
      if (!extension || extension->data[0] || extension->data[1] & 0xf8) return false;
      *next = extension->next;
      return true;
    case IPPROTO_AH:
      authentication = cursor_take(cursor, struct authentication);
      if (!authentication) return false;
      *next = authentication->next;
      *cursor = start;
      return cursor_skip(cursor, (authentication->length + 2) * 4);
    default:
      return false;
  }
}

static __always_inline int verdict_of(const struct cursor* cursor, __u8 next) {
  const struct ports* ports = cursor->position;
  if (next != IPPROTO_TCP && next != IPPROTO_UDP) return XDP_PASS;
  if ((void*)(ports + 1) > cursor->end) return XDP_DROP;
  return ports->destination == bpf_htons(53) ? XDP_DROP : XDP_PASS;
}

static __always_inline bool take_fixed(struct xdp_md* ctx, struct cursor* cursor, __u8* next) {
  __be16 protocol;
  *cursor = cursor_at_start(ctx);
  if (!take_ethernet(cursor, &protocol) || protocol != bpf_htons(ETH_P_IPV6)) return false;
  struct ipv6hdr* ip = take_ipv6(cursor);
  if (!ip) return false;
  *next = ip->nexthdr;
  return true;
}

SEC("xdp")
int ext_unrolled(struct xdp_md* ctx) {
  struct cursor cursor;
  __u8 next;
  if (!take_fixed(ctx, &cursor, &next)) return count_verdict(XDP_PASS, frame_length(ctx));
#pragma clang loop unroll(full)
  for (int i = 0; i < 6; i++) {
    if (!step(&cursor, &next)) break;
  }
  return count_verdict(verdict_of(&cursor, next), frame_length(ctx));
}

SEC("xdp")
int ext_loop(struct xdp_md* ctx) {
  struct cursor cursor;
  __u8 next;
  if (!take_fixed(ctx, &cursor, &next)) return count_verdict(XDP_PASS, frame_length(ctx));
#pragma clang loop unroll(disable)
  for (int i = 0; i < 8; i++) {
    if (!step(&cursor, &next)) break;
  }
  return count_verdict(verdict_of(&cursor, next), frame_length(ctx));
}

// The offset behind the chain that starts at `offset`, or negative; *next is updated.
static __noinline int walk(struct xdp_md* ctx, __u32 offset, __u8* next) {
  struct cursor cursor = cursor_at_start(ctx);
  if (offset > 512 || !cursor_skip(&cursor, offset)) return -1;
  __u8 found = *next;
#pragma clang loop unroll(disable)
  for (int i = 0; i < 4; i++) {
    if (!step(&cursor, &found)) break;
  }
  *next = found;
  return cursor.position - frame_start(ctx);
}

SEC("xdp")
int ext_calls(struct xdp_md* ctx) {
  struct cursor cursor;
  __u8 next;
  if (!take_fixed(ctx, &cursor, &next)) return XDP_PASS;
  int offset = walk(ctx, cursor.position - frame_start(ctx), &next);
  if (offset < 0 || offset > 1024) return XDP_DROP;
  if (next != IPPROTO_IPV6) return XDP_PASS;
  struct cursor inner = cursor_at_start(ctx);
  if (!cursor_skip(&inner, offset)) return XDP_DROP;
  struct ipv6hdr* ip = take_ipv6(&inner);
  if (!ip) return XDP_DROP;
  next = ip->nexthdr;
  offset = walk(ctx, offset + sizeof(*ip), &next);
  return offset < 0 ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
