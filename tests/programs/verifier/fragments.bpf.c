// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Frames of several buffers (bytes by copy, not by pointer), MTU checks, per-CPU values of other CPUs, storage of
// cgroups, packet conversion between families at traffic control, SYN cookies without a socket.
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include "ip.h"
#include "verdicts.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, struct counter);
} by_mark SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
  __type(key, struct bpf_cgroup_storage_key);
  __type(value, struct counter);
} per_cgroup SEC(".maps");

SEC("xdp.frags")
int copied_bytes(struct xdp_md* ctx) {
  struct ethernet_header ethernet = {};
  struct iphdr ip = {};
  __u64 length = bpf_xdp_get_buff_len(ctx);
  if (bpf_xdp_load_bytes(ctx, 0, &ethernet, sizeof(ethernet))) return XDP_DROP;
  if (ethernet.protocol != bpf_htons(ETH_P_IP)) return XDP_PASS;
  if (bpf_xdp_load_bytes(ctx, sizeof(ethernet), &ip, sizeof(ip))) return XDP_DROP;
  __u32 mtu = 0;
  long over = bpf_check_mtu(ctx, 0, &mtu, 0, 0);
  if (over && mtu < length) return count_verdict(XDP_DROP, mtu);
  __u32 offset = sizeof(ethernet) + ip.ihl * 4;
  struct ports ports = {};
  if (bpf_xdp_load_bytes(ctx, offset, &ports, sizeof(ports))) return XDP_DROP;
  ports.destination = bpf_htons(bpf_ntohs(ports.destination) + 1);
  if (bpf_xdp_store_bytes(ctx, offset, &ports, sizeof(ports))) return XDP_ABORTED;
  __u8 tail[32] = {};
  __u32 bytes = length - offset;
  if (bytes > sizeof(tail)) bytes = sizeof(tail);
  asm volatile("" : "+r"(bytes));
  if (bytes < 1 || bytes > sizeof(tail)) return XDP_PASS;
  if (bpf_xdp_load_bytes(ctx, length - bytes, tail, bytes)) return XDP_PASS;
  return count_verdict(tail[bytes - 1] ? XDP_PASS : XDP_TX, length);
}

SEC("xdp.frags")
int sum_over_cpus(struct xdp_md* ctx) {
  __u32 mark = ctx->rx_queue_index;
  __u64 packets = 0;
#pragma clang loop unroll(disable)
  for (int cpu = 0; cpu < 4; cpu++) {
    struct counter* counter = bpf_map_lookup_percpu_elem(&by_mark, &mark, cpu);
    if (!counter) break;
    packets += counter->packets;
  }
  struct counter* own = bpf_map_lookup_elem(&by_mark, &mark);
  if (own) count_per_cpu(own, bpf_xdp_get_buff_len(ctx));
  return packets > 1000000 ? XDP_DROP : XDP_PASS;
}

SEC("cgroup_skb/egress")
int count_cgroup(struct __sk_buff* skb) {
  struct counter* counter = bpf_get_local_storage(&per_cgroup, 0);
  count_shared(counter, skb->len);
  return counter->bytes < 1ULL << 40;
}

SEC("tc")
int to_ipv6(struct __sk_buff* skb) {
  struct iphdr ip = {};
  if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, 14, &ip, sizeof(ip))) return TC_ACT_OK;
  if (bpf_skb_change_proto(skb, bpf_htons(ETH_P_IPV6), 0)) return TC_ACT_SHOT;
  struct ipv6hdr fresh = {.version = 6, .nexthdr = ip.protocol, .hop_limit = ip.ttl};
  fresh.payload_len = bpf_htons(bpf_ntohs(ip.tot_len) - ip.ihl * 4);
  fresh.saddr.in6_u.u6_addr32[3] = ip.saddr;
  fresh.daddr.in6_u.u6_addr32[3] = ip.daddr;
  if (bpf_skb_store_bytes(skb, 14, &fresh, sizeof(fresh), BPF_F_RECOMPUTE_CSUM)) return TC_ACT_SHOT;
  bpf_skb_change_type(skb, 0);
  bpf_set_hash_invalid(skb);
  bpf_csum_level(skb, BPF_CSUM_LEVEL_INC);
  return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

SEC("tc")
int trim(struct __sk_buff* skb) {
  __u32 wanted = skb->len > 200 ? 200 : skb->len;
  if (bpf_skb_change_tail(skb, wanted, 0)) return TC_ACT_SHOT;
  if (bpf_skb_pull_data(skb, wanted)) return TC_ACT_SHOT;
  __u8* data = (void*)(long)skb->data;
  __u8* end = (void*)(long)skb->data_end;
  __u32 sum = 0;
#pragma clang loop unroll(disable)
  for (int i = 14; i < 200; i++) {
    if (data + i + 1 > end) break;
    sum += data[i];
    if (i >= 180) data[i] = 0;
  }
  skb->cb[1] = sum;
  return sum & 1 ? TC_ACT_OK : TC_ACT_RECLASSIFY;
}

SEC("xdp")
int raw_cookies(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol) || protocol != bpf_htons(ETH_P_IP)) return XDP_PASS;
  struct iphdr* ip = cursor_take(&cursor, struct iphdr);
  if (!ip || ip->protocol != IPPROTO_TCP) return XDP_PASS;
  struct tcphdr* tcp = cursor_take(&cursor, struct tcphdr);
  if (!tcp) return XDP_DROP;
  if (tcp->ack) return bpf_tcp_raw_check_syncookie_ipv4(ip, tcp) ? XDP_DROP : XDP_PASS;
  __u32 bytes = tcp->doff * 4;
  if (bytes < sizeof(*tcp) || bytes > 60) return XDP_DROP;
  if ((void*)tcp + 60 > cursor.end) return XDP_PASS;  // the helper may read as much as the header can have
  __s64 cookie = bpf_tcp_raw_gen_syncookie_ipv4(ip, tcp, bytes);
  if (cookie < 0) return XDP_ABORTED;
  tcp->ack_seq = tcp->seq;
  tcp->seq = bpf_htonl((__u32)cookie);
  return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
