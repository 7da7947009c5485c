// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Lightweight-tunnel programs: read on the way in and out, write and push headers on transmission, segment routing; and
// a flow dissector, whose answer goes to memory behind its context.
#include <linux/tcp.h>

#include "ip.h"

#define BPF_VERDICT_DROP 2

SEC("lwt_in")
int lwt_input(struct __sk_buff* skb) {
  struct iphdr* ip = (void*)(long)skb->data;
  if ((void*)(ip + 1) > (void*)(long)skb->data_end) return BPF_VERDICT_DROP;
  if (ip->version == 4 && ip->ttl < 2) return BPF_VERDICT_DROP;
  __u8 byte = 0;
  if (bpf_skb_load_bytes(skb, ip->ihl * 4, &byte, 1) < 0) return BPF_VERDICT_DROP;
  skb->cb[0] = byte;
  return BPF_OK;
}

SEC("lwt_out")
int lwt_output(struct __sk_buff* skb) {
  if (skb->len > 1400 && skb->mark == 0) return BPF_VERDICT_DROP;
  return bpf_get_route_realm(skb) == 5 ? BPF_VERDICT_DROP : BPF_OK;
}

SEC("lwt_xmit")
int lwt_transmit(struct __sk_buff* skb) {
  struct iphdr outer = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_IPIP};
  outer.saddr = bpf_htonl(0x0a000001);
  outer.daddr = bpf_htonl(0x0a000002);
  outer.tot_len = bpf_htons(skb->len + sizeof(outer));
  if (bpf_lwt_push_encap(skb, BPF_LWT_ENCAP_IP, &outer, sizeof(outer))) return BPF_VERDICT_DROP;
  struct iphdr* ip = (void*)(long)skb->data;
  if ((void*)(ip + 2) > (void*)(long)skb->data_end) return BPF_VERDICT_DROP;
  ip[1].ttl--;
  ip[1].check = 0;
  if (bpf_skb_change_head(skb, 14, 0)) return BPF_VERDICT_DROP;
  struct ethernet_header link = {.protocol = bpf_htons(ETH_P_IP)};
  if (bpf_skb_store_bytes(skb, 0, &link, sizeof(link), 0)) return BPF_VERDICT_DROP;
  return bpf_redirect(1, 0);
}

struct segment_header {
  __u8 next, length, type, left, first, flags;
  __be16 tag;
};

SEC("lwt_seg6local")
int segment(struct __sk_buff* skb) {
  struct ipv6hdr* ip = (void*)(long)skb->data;
  struct segment_header* header = (void*)(ip + 1);
  if ((void*)(header + 1) > (void*)(long)skb->data_end) return BPF_VERDICT_DROP;
  if (ip->nexthdr != IPPROTO_ROUTING || header->type != 4) return BPF_VERDICT_DROP;
  __be16 tag = bpf_htons(2442);
  __u32 offset = sizeof(*ip) + __builtin_offsetof(struct segment_header, tag);
  if (bpf_lwt_seg6_store_bytes(skb, offset, &tag, sizeof(tag))) return BPF_VERDICT_DROP;
  struct in6_addr next = {};
  next.in6_u.u6_addr16[0] = bpf_htons(0xfd00);
  return bpf_lwt_seg6_action(skb, 2, &next, sizeof(next)) ? BPF_VERDICT_DROP : BPF_REDIRECT;
}

SEC("flow_dissector")
int dissect(struct __sk_buff* skb) {
  struct bpf_flow_keys* keys = skb->flow_keys;
  void* data = (void*)(long)skb->data;
  void* end = (void*)(long)skb->data_end;
  if (keys->n_proto == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = data + keys->thoff;
    if (keys->thoff > 200 || (void*)(ip + 1) > end) return BPF_DROP;
    keys->addr_proto = ETH_P_IP;
    keys->ipv4_src = ip->saddr;
    keys->ipv4_dst = ip->daddr;
    keys->ip_proto = ip->protocol;
    keys->thoff += ip->ihl << 2;
    if (ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET)) {
      keys->is_frag = 1;
      return BPF_OK;
    }
  } else if (keys->n_proto == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr* ip = data + keys->thoff;
    if (keys->thoff > 200 || (void*)(ip + 1) > end) return BPF_DROP;
    keys->addr_proto = ETH_P_IPV6;
    __builtin_memcpy(keys->ipv6_src, &ip->saddr, sizeof(keys->ipv6_src));
    __builtin_memcpy(keys->ipv6_dst, &ip->daddr, sizeof(keys->ipv6_dst));
    keys->ip_proto = ip->nexthdr;
    keys->thoff += sizeof(*ip);
  } else {
    return 129;  // leave it to the kernel
  }
  struct ports ports;
  if (bpf_skb_load_bytes(skb, keys->thoff, &ports, sizeof(ports))) return BPF_DROP;
  keys->sport = ports.source;
  keys->dport = ports.destination;
  return BPF_OK;
}

char LICENSE[] SEC("license") = "GPL";
