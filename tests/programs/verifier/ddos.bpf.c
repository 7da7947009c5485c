// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A filter against floods: prefix lists of both families, token buckets per source and per prefix, a bloom-like sketch
// in .bss, SYN floods told by a counter pair, thresholds per protocol out of an array.
#include <linux/tcp.h>
#include <linux/udp.h>

#include "hash.h"
#include "ip.h"
#include "verdicts.h"

#define ROWS 4
#define COLUMNS 1024
#define SECOND 1000000000ULL

struct prefix4 {
  __u32 bits;
  __be32 address;
};
struct prefix6 {
  __u32 bits;
  struct address address;
};
struct policy {
  __u32 action;
  __u32 rate;   // packets per second
  __u32 burst;  // packets
  __u32 number;
};
struct bucket {
  __u64 time;
  __u64 tokens;  // in 1/1000 packets
  __u64 dropped;
};

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 100000);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct prefix4);
  __type(value, struct policy);
} policies4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 100000);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct prefix6);
  __type(value, struct policy);
} policies6 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
  __uint(max_entries, 65536);
  __type(key, struct address);
  __type(value, struct bucket);
} sources SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, struct bucket);
} prefixes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, struct policy);
} protocols SEC(".maps");

__u32 sketch[ROWS][COLUMNS];
__u64 syns, acks;
const volatile __u32 sketch_limit = 10000;

static __always_inline bool take_token(struct bucket* bucket, const struct policy* policy, __u64 now) {
  __u64 elapsed = now - bucket->time;
  if (elapsed > 10 * SECOND) elapsed = 10 * SECOND;
  __u64 tokens = bucket->tokens + elapsed * policy->rate / (SECOND / 1000);
  __u64 most = (__u64)policy->burst * 1000;
  if (tokens > most) tokens = most;
  bucket->time = now;
  if (tokens < 1000) {
    bucket->tokens = tokens;
    bucket->dropped++;
    return false;
  }
  bucket->tokens = tokens - 1000;
  return true;
}

static __always_inline bool heavy(const struct address* address) {
  __u32 least = 0xffffffff;
#pragma clang loop unroll(disable)
  for (__u32 row = 0; row < ROWS; row++) {
    __u32 column = hash_words(address->words, 4, row) % COLUMNS;
    __u32 count = __sync_fetch_and_add(&sketch[row][column], 1) + 1;
    if (count < least) least = count;
  }
  return least > sketch_limit;
}

static __always_inline int limit(const struct address* source, const struct policy* policy, __u8 protocol) {
  __u64 now = bpf_ktime_get_ns();
  struct bucket* bucket = bpf_map_lookup_elem(&sources, source);
  if (!bucket) {
    struct bucket fresh = {.time = now, .tokens = 1000};
    bpf_map_update_elem(&sources, source, &fresh, BPF_ANY);
    bucket = bpf_map_lookup_elem(&sources, source);
    if (!bucket) return XDP_DROP;
  }
  if (!take_token(bucket, policy, now)) return XDP_DROP;
  __u32 number = policy->number;
  struct bucket* shared = bpf_map_lookup_elem(&prefixes, &number);
  if (shared && !take_token(shared, policy, now)) return XDP_DROP;
  __u32 key = protocol;
  struct policy* per_protocol = bpf_map_lookup_elem(&protocols, &key);
  if (per_protocol && per_protocol->action == XDP_DROP) return XDP_DROP;
  return XDP_PASS;
}

SEC("xdp")
int ddos(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol)) return XDP_DROP;
  struct address source;
  struct policy* policy;
  __u8 transport;
  if (protocol == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = take_ipv4(&cursor);
    if (!ip) return XDP_DROP;
    struct prefix4 key = {.bits = 32, .address = ip->saddr};
    policy = bpf_map_lookup_elem(&policies4, &key);
    source = address_of_ipv4(ip->saddr);
    transport = ip->protocol;
  } else if (protocol == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr* ip = take_ipv6(&cursor);
    if (!ip) return XDP_DROP;
    struct prefix6 key = {.bits = 128, .address = address_of_ipv6(&ip->saddr)};
    policy = bpf_map_lookup_elem(&policies6, &key);
    source = key.address;
    transport = ip->nexthdr;
  } else {
    return XDP_PASS;
  }
  if (transport == IPPROTO_TCP) {
    struct tcphdr* tcp = cursor_take(&cursor, struct tcphdr);
    if (!tcp) return XDP_DROP;
    if (tcp->syn && !tcp->ack) {
      syns++;
    } else if (tcp->ack) {
      acks++;
    }
    if (syns > 1000 && acks < syns / 8 && tcp->syn) return count_verdict(XDP_DROP, 1);
  }
  if (heavy(&source)) return count_verdict(XDP_DROP, 2);
  if (!policy) return count_verdict(XDP_PASS, frame_length(ctx));
  if (policy->action == XDP_DROP) return count_verdict(XDP_DROP, 3);
  return count_verdict(limit(&source, policy, transport), frame_length(ctx));
}

char LICENSE[] SEC("license") = "GPL";
