// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Where frames go: routed by fib_lookup in both families, to AF_XDP sockets by queue, to another CPU by a hash of the
// flow, to devices by map; programs that run at the CPU map's and the device map's end; VLAN tags pushed and popped on
// the way.
#include "checksum.h"
#include "hash.h"
#include "ip.h"
#include "verdicts.h"

#define AF_INET 2
#define AF_INET6 10

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 64);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} sockets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CPUMAP);
  __uint(max_entries, 64);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(struct bpf_cpumap_val));
} cpus SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, 256);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(struct bpf_devmap_val));
} devices SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
  __uint(max_entries, 256);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} members SEC(".maps");

struct vlan_member {
  __u16 id;
  __u16 tagged;
  __u32 port;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, struct vlan_member);
} vlans SEC(".maps");

const volatile __u32 cpu_count = 8;

SEC("xdp")
int router(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  struct bpf_fib_lookup fib = {.ifindex = ctx->ingress_ifindex};
  struct iphdr* ip4 = NULL;
  struct ipv6hdr* ip6 = NULL;
  if (ethernet->protocol == bpf_htons(ETH_P_IP)) {
    ip4 = cursor_take(&cursor, struct iphdr);
    if (!ip4) return XDP_DROP;
    if (ip4->ttl <= 1 || ip4->ihl != 5) return XDP_PASS;
    fib.family = AF_INET;
    fib.tos = ip4->tos;
    fib.l4_protocol = ip4->protocol;
    fib.tot_len = bpf_ntohs(ip4->tot_len);
    fib.ipv4_src = ip4->saddr;
    fib.ipv4_dst = ip4->daddr;
  } else if (ethernet->protocol == bpf_htons(ETH_P_IPV6)) {
    ip6 = cursor_take(&cursor, struct ipv6hdr);
    if (!ip6) return XDP_DROP;
    if (ip6->hop_limit <= 1) return XDP_PASS;
    fib.family = AF_INET6;
    fib.flowinfo = *(__be32*)ip6 & bpf_htonl(0x0fffffff);
    fib.l4_protocol = ip6->nexthdr;
    fib.tot_len = bpf_ntohs(ip6->payload_len);
    __builtin_memcpy(fib.ipv6_src, &ip6->saddr, sizeof(fib.ipv6_src));
    __builtin_memcpy(fib.ipv6_dst, &ip6->daddr, sizeof(fib.ipv6_dst));
  } else {
    return XDP_PASS;
  }
  long result = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
  switch (result) {
    case BPF_FIB_LKUP_RET_SUCCESS:
      if (ip4) decrement_ttl(ip4);
      if (ip6) ip6->hop_limit--;
      __builtin_memcpy(&ethernet->destination, fib.dmac, ETH_ALEN);
      __builtin_memcpy(&ethernet->source, fib.smac, ETH_ALEN);
      return bpf_redirect_map(&members, fib.ifindex, 0);
    case BPF_FIB_LKUP_RET_BLACKHOLE:
    case BPF_FIB_LKUP_RET_UNREACHABLE:
    case BPF_FIB_LKUP_RET_PROHIBIT:
      return count_verdict(XDP_DROP, fib.tot_len);
    default:
      return count_verdict(XDP_PASS, fib.tot_len);
  }
}

SEC("xdp")
int to_sockets(struct xdp_md* ctx) {
  __u32 queue = ctx->rx_queue_index;
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol)) return XDP_PASS;
  if (bpf_map_lookup_elem(&sockets, &queue)) return bpf_redirect_map(&sockets, queue, XDP_PASS);
  return bpf_redirect_map(&sockets, queue ^ 1, XDP_DROP);
}

SEC("xdp")
int to_cpus(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol)) return XDP_PASS;
  __u32 words[3] = {};
  if (protocol == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = take_ipv4(&cursor);
    if (!ip) return XDP_DROP;
    words[0] = ip->saddr ^ ip->daddr;
    words[1] = ip->protocol;
    struct ports* ports = cursor_take(&cursor, struct ports);
    if (ports && !is_fragment(ip)) words[2] = ports->source ^ ports->destination;
  }
  if (cpu_count == 0 || cpu_count > 64) return XDP_ABORTED;
  return bpf_redirect_map(&cpus, hash_words((u32_view*)words, 3, 1) % cpu_count, 0);
}

SEC("xdp/cpumap")
int at_cpu(struct xdp_md* ctx) {
  if (ctx->rx_queue_index == 0) return XDP_PASS;
  return bpf_redirect_map(&devices, ctx->ingress_ifindex & 255, 0);
}

SEC("xdp/devmap")
int at_device(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  ethernet->source.bytes[5] = ctx->egress_ifindex;
  return ctx->egress_ifindex == ctx->ingress_ifindex ? XDP_DROP : XDP_PASS;
}

struct link {
  struct mac_address destination, source;
};

SEC("xdp")
int bridge(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  __u32 key = ctx->ingress_ifindex;
  bool tagged = is_vlan(ethernet->protocol);
  struct link link;
  __builtin_memcpy(&link, ethernet, sizeof(link));
  if (tagged) {
    struct vlan_tag* tag = cursor_take(&cursor, struct vlan_tag);
    if (!tag) return XDP_DROP;
    key |= (__u32)(bpf_ntohs(tag->control) & VLAN_ID_MASK) << 16;
  }
  struct vlan_member* member = bpf_map_lookup_elem(&vlans, &key);
  if (!member) return XDP_DROP;
  if (tagged && !member->tagged) {
    if (bpf_xdp_adjust_head(ctx, sizeof(struct vlan_tag))) return XDP_DROP;
    cursor = cursor_at_start(ctx);
    ethernet = cursor_take(&cursor, struct ethernet_header);
    if (!ethernet) return XDP_DROP;
    __builtin_memcpy(ethernet, &link, sizeof(link));
  } else if (!tagged && member->tagged) {
    if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct vlan_tag))) return XDP_DROP;
    cursor = cursor_at_start(ctx);
    ethernet = cursor_take(&cursor, struct ethernet_header);
    if (!ethernet) return XDP_DROP;
    struct vlan_tag* tag = cursor_take(&cursor, struct vlan_tag);
    if (!tag) return XDP_DROP;
    __builtin_memcpy(ethernet, &link, sizeof(link));
    ethernet->protocol = bpf_htons(ETH_P_8021Q);
    tag->control = bpf_htons(member->id);
  }
  return bpf_redirect_map(&devices, member->port, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
}

char LICENSE[] SEC("license") = "GPL";
