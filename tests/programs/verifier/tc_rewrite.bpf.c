// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Traffic-control programs that rewrite: by skb_store_bytes and the checksum helpers, by direct access after
// skb_pull_data, VLAN push and pop, room for a tunnel header, tunnel keys, redirects. Every helper that may move the
// packet makes all its pointers stale.
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>

#include "ip.h"

#define ETHERNET_BYTES sizeof(struct ethernet_header)
#define IP_CHECK_OFFSET (ETHERNET_BYTES + offsetof(struct iphdr, check))
#define IP_SOURCE_OFFSET (ETHERNET_BYTES + offsetof(struct iphdr, saddr))
#define IP_TOS_OFFSET (ETHERNET_BYTES + offsetof(struct iphdr, tos))

struct target {
  __be32 address;
  __be16 port;
  __u16 vlan;
  __u32 ifindex;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __be32);
  __type(value, struct target);
} targets SEC(".maps");

static __always_inline void* start_of(const struct __sk_buff* skb) { return (void*)(long)skb->data; }
static __always_inline void* end_of(const struct __sk_buff* skb) { return (void*)(long)skb->data_end; }

static __always_inline struct iphdr* ipv4_of(const struct __sk_buff* skb) {
  if (skb->protocol != bpf_htons(ETH_P_IP)) return NULL;
  struct iphdr* ip = start_of(skb) + ETHERNET_BYTES;
  return (void*)(ip + 1) <= end_of(skb) ? ip : NULL;
}

SEC("tc")
int rewrite_by_helpers(struct __sk_buff* skb) {
  if (bpf_skb_pull_data(skb, ETHERNET_BYTES + sizeof(struct iphdr))) return TC_ACT_OK;
  struct iphdr* ip = ipv4_of(skb);
  if (!ip || ip->ihl != 5) return TC_ACT_OK;
  __be32 before = ip->saddr;
  __u8 protocol = ip->protocol;
  __u32 check = ETHERNET_BYTES + sizeof(*ip);
  __u64 flags = BPF_F_PSEUDO_HDR | 4;
  if (protocol == IPPROTO_TCP) {
    check += offsetof(struct tcphdr, check);
  } else if (protocol == IPPROTO_UDP) {
    check += offsetof(struct udphdr, check);
    flags |= BPF_F_MARK_MANGLED_0;
  } else {
    return TC_ACT_OK;
  }
  struct target* target = bpf_map_lookup_elem(&targets, &before);
  if (!target) return TC_ACT_OK;
  __be32 after = target->address;
  __be16 port = target->port;
  if (bpf_l4_csum_replace(skb, check, before, after, flags)) return TC_ACT_SHOT;
  if (bpf_l3_csum_replace(skb, IP_CHECK_OFFSET, before, after, 4)) return TC_ACT_SHOT;
  if (bpf_skb_store_bytes(skb, IP_SOURCE_OFFSET, &after, sizeof(after), 0)) return TC_ACT_SHOT;
  __be16 old_port = 0;
  if (bpf_skb_load_bytes(skb, ETHERNET_BYTES + sizeof(*ip), &old_port, sizeof(old_port))) return TC_ACT_SHOT;
  bpf_l4_csum_replace(skb, check, old_port, port, 2 | (flags & BPF_F_MARK_MANGLED_0));
  bpf_skb_store_bytes(skb, ETHERNET_BYTES + sizeof(*ip), &port, sizeof(port), BPF_F_INVALIDATE_HASH);
  skb->mark = bpf_get_hash_recalc(skb);
  return bpf_redirect(target->ifindex, 0);
}

SEC("tc")
int rewrite_directly(struct __sk_buff* skb) {
  struct iphdr* ip = ipv4_of(skb);
  if (!ip) {
    if (bpf_skb_pull_data(skb, 0)) return TC_ACT_SHOT;
    ip = ipv4_of(skb);
    if (!ip) return TC_ACT_OK;
  }
  __u8 before = ip->tos;
  ip->tos = (before & 3) | 0x28;
  __u32 sum = (__u16)~ip->check + (__u16)~bpf_htons(before) + bpf_htons(ip->tos);
  sum = (sum & 0xffff) + (sum >> 16);
  ip->check = ~((sum & 0xffff) + (sum >> 16));
  skb->priority = ip->tos >> 5;
  skb->tc_index = 1;
  for (int i = 0; i < 5; i++) skb->cb[i] = i;
  skb->cb[2] = skb->len;
  return TC_ACT_PIPE;
}

SEC("tc")
int vlan(struct __sk_buff* skb) {
  if (skb->vlan_present) {
    __u32 id = skb->vlan_tci & VLAN_ID_MASK;
    if (bpf_skb_vlan_pop(skb)) return TC_ACT_SHOT;
    if (id >= 100 && id < 200) return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), id + 1000) ? TC_ACT_SHOT : 0;
    return TC_ACT_OK;
  }
  struct iphdr* ip = ipv4_of(skb);
  if (!ip) return TC_ACT_OK;
  __be32 source = ip->saddr;
  struct target* target = bpf_map_lookup_elem(&targets, &source);
  if (!target || !target->vlan) return TC_ACT_OK;
  if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), target->vlan)) return TC_ACT_SHOT;
  return bpf_clone_redirect(skb, target->ifindex, 0) ? TC_ACT_SHOT : TC_ACT_OK;
}

struct udp_tunnel {
  struct iphdr ip;
  struct udphdr udp;
  __be32 vni;
};

SEC("tc")
int encapsulate(struct __sk_buff* skb) {
  struct iphdr* ip = ipv4_of(skb);
  if (!ip) return TC_ACT_OK;
  struct udp_tunnel outer = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .tos = ip->tos},
                             .udp = {.source = bpf_htons(1024), .dest = bpf_htons(4790)}};
  outer.ip.saddr = ip->saddr;
  outer.ip.daddr = ip->daddr;
  outer.ip.tot_len = bpf_htons(bpf_ntohs(ip->tot_len) + sizeof(outer));
  outer.udp.len = bpf_htons(bpf_ntohs(ip->tot_len) + sizeof(outer) - sizeof(outer.ip));
  outer.vni = bpf_htonl(skb->mark << 8);
  __s64 sum = bpf_csum_diff(0, 0, (__be32*)&outer.ip, sizeof(outer.ip), 0);
  sum = (sum & 0xffff) + (sum >> 16 & 0xffff);
  outer.ip.check = ~((sum & 0xffff) + (sum >> 16));
  __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
  if (bpf_skb_adjust_room(skb, sizeof(outer), BPF_ADJ_ROOM_MAC, flags)) return TC_ACT_SHOT;
  if (bpf_skb_store_bytes(skb, ETHERNET_BYTES, &outer, sizeof(outer), 0)) return TC_ACT_SHOT;
  return TC_ACT_OK;
}

SEC("tc")
int tunnel_key(struct __sk_buff* skb) {
  struct bpf_tunnel_key key = {};
  if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) < 0) {
    key.tunnel_id = skb->mark & 0xffffff;
    key.remote_ipv4 = 0x0a000001;
    key.tunnel_ttl = 64;
    if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX)) return TC_ACT_SHOT;
    __u8 option[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    bpf_skb_set_tunnel_opt(skb, option, sizeof(option));
    return TC_ACT_OK;
  }
  __u8 option[16] = {};
  if (bpf_skb_get_tunnel_opt(skb, option, sizeof(option)) > 0 && option[3] != 4) return TC_ACT_SHOT;
  __be32 remote = bpf_htonl(key.remote_ipv4);
  struct target* target = bpf_map_lookup_elem(&targets, &remote);
  if (!target) return TC_ACT_SHOT;
  return bpf_redirect_neigh(target->ifindex, NULL, 0, 0);
}

// Pacing: a departure time per packet out of a rate and a shared horizon.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u64);
} departures SEC(".maps");

SEC("tc")
int pace(struct __sk_buff* skb) {
  __u32 key = skb->queue_mapping;
  __u64* last = bpf_map_lookup_elem(&departures, &key);
  __u64 now = bpf_ktime_get_ns();
  if (!last) return TC_ACT_OK;
  __u64 delay = (__u64)skb->wire_len * 1000000000ULL / (20 * 1000 * 1000);
  __u64 next = *last + delay;
  if (next <= now) {
    *last = now;
    return TC_ACT_OK;
  }
  if (next - now > 2000000000ULL) return TC_ACT_SHOT;
  if (next - now > 5000000ULL) bpf_skb_ecn_set_ce(skb);
  *last = next;
  skb->tstamp = next;
  return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
