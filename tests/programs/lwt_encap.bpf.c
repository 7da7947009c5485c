// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A route's tunnel program: packets get an outer IPv4 header with GRE, whose key is the flow's class. The header's
// checksum is left to the kernel (bpf_lwt_push_encap fills in a zero one).
//
// Tested by: its rows of matrix.txt.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "counter.h"

#define LOCAL 0xc6336401u  /* 198.51.100.1 */
#define REMOTE 0xc6336402u /* 198.51.100.2 */
#define GRE_KEY 0x2000

struct gre {
  __be16 flags;
  __be16 protocol;
  __be32 key;
};

struct outer {
  struct iphdr ip;
  struct gre gre;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct counter);
} sent SEC(".maps");

SEC("lwt_in")
int lwt_encap(struct __sk_buff* skb) {
  __u32 zero = 0;
  if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6)) return BPF_OK;
  if (skb->len < sizeof(struct iphdr)) return BPF_DROP;
  struct outer outer = {
      .ip = {.version = 4,
             .ihl = 5,
             .tot_len = bpf_htons(skb->len + sizeof(outer)),
             .ttl = 64,
             .protocol = IPPROTO_GRE,
             .saddr = bpf_htonl(LOCAL),
             .daddr = bpf_htonl(REMOTE)},
      .gre = {.flags = bpf_htons(GRE_KEY), .protocol = skb->protocol, .key = bpf_htonl(skb->mark)},
  };
  if (bpf_lwt_push_encap(skb, BPF_LWT_ENCAP_IP, &outer, sizeof(outer))) return BPF_DROP;
  struct counter* counter = bpf_map_lookup_elem(&sent, &zero);
  if (counter) count_per_cpu(counter, skb->len);
  return BPF_LWT_REROUTE;
}

char LICENSE[] SEC("license") = "GPL";
