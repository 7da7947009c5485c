// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Tunnels at a classifier: IPv4 goes into UDP over IPv4 (as in foo-over-UDP), IPv6 into IPv6-in-IPv4, and IPv4 that
// comes in such a tunnel (IP-in-IP) is unpacked. bpf_skb_adjust_room makes the room and keeps the stack's view right.
//
// Tested by: its rows of matrix.txt.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "checksum.h"
#include "counter.h"

#define LOCAL 0xc0000201u  /* 192.0.2.1 */
#define REMOTE 0xc0000202u /* 192.0.2.2 */
#define PORT 5555

enum way { PASSED, OVER_UDP, OVER_IPV4, UNPACKED, FAILED, WAYS };

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, WAYS);
  __type(key, __u32);
  __type(value, struct counter);
} ways SEC(".maps");

struct udp_tunnel {
  struct iphdr ip;
  struct udphdr udp;
};

static __always_inline void fill_ip(struct iphdr* ip, __u32 length, __u8 protocol) {
  ip->version = 4;
  ip->ihl = 5;
  ip->ttl = 64;
  ip->protocol = protocol;
  ip->tot_len = bpf_htons(length);
  ip->saddr = bpf_htonl(LOCAL);
  ip->daddr = bpf_htonl(REMOTE);
  ip->check = ipv4_checksum(ip);
}

static __always_inline __u32 over_udp(struct __sk_buff* skb) {
  struct udp_tunnel outer = {};
  __u32 length = skb->len - ETH_HLEN + sizeof(outer);
  fill_ip(&outer.ip, length, IPPROTO_UDP);
  outer.udp.source = outer.udp.dest = bpf_htons(PORT);
  outer.udp.len = bpf_htons(length - sizeof(outer.ip));
  __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
  if (bpf_skb_adjust_room(skb, sizeof(outer), BPF_ADJ_ROOM_MAC, flags)) return FAILED;
  return bpf_skb_store_bytes(skb, ETH_HLEN, &outer, sizeof(outer), BPF_F_INVALIDATE_HASH) ? FAILED : OVER_UDP;
}

static __always_inline __u32 over_ipv4(struct __sk_buff* skb) {
  struct iphdr outer = {};
  fill_ip(&outer, skb->len - ETH_HLEN + sizeof(outer), IPPROTO_IPV6);
  if (bpf_skb_adjust_room(skb, sizeof(outer), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4)) return FAILED;
  __be16 type = bpf_htons(ETH_P_IP);
  if (bpf_skb_store_bytes(skb, ETH_HLEN - sizeof(type), &type, sizeof(type), 0)) return FAILED;
  return bpf_skb_store_bytes(skb, ETH_HLEN, &outer, sizeof(outer), 0) ? FAILED : OVER_IPV4;
}

static __always_inline __u32 unpack(struct __sk_buff* skb) {
  return bpf_skb_adjust_room(skb, -(int)sizeof(struct iphdr), BPF_ADJ_ROOM_MAC, 0) ? FAILED : UNPACKED;
}

static __always_inline __u32 send(struct __sk_buff* skb) {
  if (skb->protocol == bpf_htons(ETH_P_IPV6)) return over_ipv4(skb);
  struct iphdr ip;
  if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip))) return PASSED;
  return ip.protocol == IPPROTO_IPIP && ip.ihl == 5 ? unpack(skb) : over_udp(skb);
}

SEC("tc")
int tc_encap(struct __sk_buff* skb) {
  __u32 way = send(skb);
  struct counter* counter = bpf_map_lookup_elem(&ways, &way);
  if (counter) count_shared(counter, skb->len);
  if (way == FAILED) return TC_ACT_SHOT;
  return way == PASSED ? TC_ACT_OK : bpf_redirect(skb->ifindex, 0);
}

char LICENSE[] SEC("license") = "GPL";
