// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// What a cgroup receives: packets and bytes by family and protocol. Telnet is denied; so is what has no whole network
// header.
//
// Tested by: its rows of matrix.txt.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "counter.h"

#define TELNET 23
enum { DENY, ALLOW };

struct traffic {
  __u16 family;
  __u16 protocol;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct traffic);
  __type(value, struct counter);
} received SEC(".maps");

static __always_inline void count(struct traffic* traffic, __u64 bytes) {
  struct counter first = {};
  struct counter* counter = bpf_map_lookup_elem(&received, traffic);
  if (!counter) {
    bpf_map_update_elem(&received, traffic, &first, BPF_NOEXIST);
    counter = bpf_map_lookup_elem(&received, traffic);
  }
  if (counter) count_shared(counter, bytes);
}

static __always_inline long load_protocol(struct __sk_buff* skb, __u8* protocol, __u32* header) {
  if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
    *header = sizeof(struct ipv6hdr);
    return bpf_skb_load_bytes_relative(skb, offsetof(struct ipv6hdr, nexthdr), protocol, 1, BPF_HDR_START_NET);
  }
  __u8 first = 0;
  if (bpf_skb_load_bytes(skb, 0, &first, sizeof(first))) return -1;
  *header = (first & 15) * 4;
  return bpf_skb_load_bytes(skb, offsetof(struct iphdr, protocol), protocol, 1);
}

SEC("cgroup_skb/ingress")
int cgroup_count(struct __sk_buff* skb) {
  __u8 protocol = 0;
  __u32 header = 0;
  if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6)) return ALLOW;
  if (load_protocol(skb, &protocol, &header)) return DENY;
  struct traffic traffic = {.family = bpf_ntohs(skb->protocol), .protocol = protocol};
  count(&traffic, skb->len);
  __be16 port = 0;
  if (protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, header + 2, &port, sizeof(port))) return ALLOW;
  return port == bpf_htons(TELNET) ? DENY : ALLOW;
}

char LICENSE[] SEC("license") = "GPL";
