// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Functions: global ones, verified by their signatures alone (scalars, the context, pointers to memory that may be
// null), static ones that get pointers to their caller's stack, map values, packet bytes and each other's results, call
// chains close to the stack's limit.
#include "hash.h"
#include "ip.h"
#include "verdicts.h"

struct flow {
  struct address source, destination;
  struct ports ports;
  __u32 protocol;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct flow);
  __type(value, struct counter);
} flows SEC(".maps");

__u64 calls;

// ---- global functions ----------------------------------------------------------------------------------------------

__noinline int parse(struct xdp_md* ctx, struct flow* flow) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!flow) return -1;
  if (!take_ethernet(&cursor, &protocol)) return -1;
  if (protocol == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = take_ipv4(&cursor);
    if (!ip) return -1;
    flow->source = address_of_ipv4(ip->saddr);
    flow->destination = address_of_ipv4(ip->daddr);
    flow->protocol = ip->protocol;
  } else {
    struct ipv6hdr* ip = take_ipv6(&cursor);
    if (!ip) return -1;
    flow->source = address_of_ipv6(&ip->saddr);
    flow->destination = address_of_ipv6(&ip->daddr);
    flow->protocol = ip->nexthdr;
  }
  struct ports* ports = cursor_take(&cursor, struct ports);
  if (!ports) return -1;
  flow->ports = *ports;
  return cursor.position - frame_start(ctx);
}

__noinline __u32 mix(__u32 a, __u32 b, __u32 c) {
  for (int i = 0; i < 3; i++) {
    a = rotate_left(a ^ b, 7) * 0x9e3779b1;
    b += c ^ a;
    c -= b;
  }
  return a ^ b ^ c;
}

__noinline int add(struct counter* counter, __u64 bytes, int sign) {
  if (!counter) return 0;
  counter->packets += sign;
  counter->bytes += sign > 0 ? bytes : -bytes;
  return counter->packets > 1000;
}

__noinline int add_twice(struct counter* counter, __u64 bytes) {
  return add(counter, bytes, 1) + add(counter, bytes / 2, 1);
}

SEC("xdp")
int with_globals(struct xdp_md* ctx) {
  struct flow flow = {};
  int offset = parse(ctx, &flow);
  if (offset < 0) return XDP_DROP;
  struct counter* counter = bpf_map_lookup_elem(&flows, &flow);
  if (!counter) {
    struct counter fresh = {};
    add(&fresh, offset, 1);
    bpf_map_update_elem(&flows, &flow, &fresh, BPF_ANY);
    return XDP_PASS;
  }
  int many = add_twice(counter, frame_length(ctx));
  add(NULL, 0, 0);
  __u32 hash = mix(flow.source.words[3], flow.destination.words[3], flow.protocol);
  calls += hash & 1;
  return many ? XDP_DROP : XDP_PASS;
}

// ---- static functions ----------------------------------------------------------------------------------------------

static __noinline bool find_ports(struct cursor* cursor, __u8 protocol, struct ports* out) {
  if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) return false;
  struct ports* ports = cursor_take(cursor, struct ports);
  if (!ports) return false;
  *out = *ports;
  return true;
}

static __noinline struct counter* find_counter(const struct flow* flow) { return bpf_map_lookup_elem(&flows, flow); }

static __noinline void fill(__u64* words, int count, __u64 seed) {
  for (int i = 0; i < 8 && i < count; i++) words[i] = seed = seed * 6364136223846793005ULL + 1;
}

static __noinline int largest(const __u64* words) {
  int at = 0;
#pragma clang loop unroll(disable)
  for (int i = 1; i < 8; i++) {
    if (words[i] > words[at & 7]) at = i;
  }
  return at;
}

SEC("xdp")
int with_statics(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol) || protocol != bpf_htons(ETH_P_IP)) return XDP_PASS;
  struct iphdr* ip = take_ipv4(&cursor);
  if (!ip) return XDP_DROP;
  struct flow flow = {.source = address_of_ipv4(ip->saddr), .destination = address_of_ipv4(ip->daddr)};
  flow.protocol = ip->protocol;
  if (!find_ports(&cursor, ip->protocol, &flow.ports)) return XDP_PASS;
  struct counter* counter = find_counter(&flow);
  if (counter) count_shared(counter, frame_length(ctx));
  __u64 words[8] = {};
  fill(words, ip->ttl, bpf_get_prandom_u32());
  int at = largest(words);
  return count_verdict(words[at & 7] & 1 ? XDP_PASS : XDP_TX, at);
}

// A chain of five frames; 480 bytes of stack altogether, each function sees the one below through pointers.
static __noinline __u64 level4(__u64* a, __u64* b) {
  __u64 own[4] = {a[0], b[1], a[2], b[3]};
  fill(own, 4, a[1]);
  return own[0] ^ own[3];
}
static __noinline __u64 level3(__u64* a) {
  __u64 own[8] = {};
  fill(own, 8, a[0]);
  own[1] = level4(a, own);
  return level4(own, a) + own[1];
}
static __noinline __u64 level2(__u64* a) {
  __u64 own[8] = {a[3]};
  a[2] = level3(own);
  return level3(a) ^ own[0];
}
static __noinline __u64 level1(__u64 seed) {
  __u64 own[8] = {seed};
  return level2(own) ^ own[2];
}

SEC("xdp")
int chain(struct xdp_md* ctx) {
  __u64 value = level1(frame_length(ctx));
  if (value & 1) value += level1(value);
  return value & 2 ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
