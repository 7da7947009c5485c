// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Source address translation at a classifier: packets of one network get another network's addresses, host bits kept.
// The checksums follow by difference (bpf_l3_csum_replace, bpf_l4_csum_replace); a UDP checksum of zero means "none"
// and stays. What is translated is marked.
//
// Tested by: its rows of matrix.txt.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "counter.h"

#define INSIDE 0x0a000000u  /* 10.0.0.0/8 */
#define OUTSIDE 0x64000000u /* 100.0.0.0/8 */
#define NETWORK 0xff000000u
#define TRANSLATED 0x4e4154u /* mark */

#define IP_AT ETH_HLEN
#define TRANSPORT_AT (ETH_HLEN + sizeof(struct iphdr))

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, struct counter);
} translated SEC(".maps");

static __always_inline void count(struct __sk_buff* skb, __u32 protocol) {
  struct counter* counter = bpf_map_lookup_elem(&translated, &protocol);
  if (counter) count_per_cpu(counter, skb->len);
}

// The pseudo header of both transports covers the address.
static __always_inline void fix_transport(struct __sk_buff* skb, __u8 protocol, __be32 before, __be32 after) {
  if (protocol == IPPROTO_TCP) {
    bpf_l4_csum_replace(skb, TRANSPORT_AT + offsetof(struct tcphdr, check), before, after, BPF_F_PSEUDO_HDR | 4);
  } else if (protocol == IPPROTO_UDP) {
    bpf_l4_csum_replace(skb, TRANSPORT_AT + offsetof(struct udphdr, check), before, after,
                        BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0 | 4);
  }
}

SEC("tc")
int tc_nat(struct __sk_buff* skb) {
  struct iphdr ip;
  if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, IP_AT, &ip, sizeof(ip))) return TC_ACT_OK;
  if (ip.version != 4 || ip.ihl != 5 || (bpf_ntohl(ip.saddr) & NETWORK) != INSIDE) return TC_ACT_OK;
  __be32 after = bpf_htonl((bpf_ntohl(ip.saddr) & ~NETWORK) | OUTSIDE);
  fix_transport(skb, ip.protocol, ip.saddr, after);
  if (bpf_l3_csum_replace(skb, IP_AT + offsetof(struct iphdr, check), ip.saddr, after, 4)) return TC_ACT_SHOT;
  if (bpf_skb_store_bytes(skb, IP_AT + offsetof(struct iphdr, saddr), &after, sizeof(after), 0)) return TC_ACT_SHOT;
  skb->mark = TRANSLATED;
  count(skb, ip.protocol);
  return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
