// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Sends packets for known services through a tunnel: IPv4 in IPv4 (RFC 2003) and IPv6 in IPv6 (RFC 2473).
//
//   before  |           | Ethernet | IP | TCP or UDP ...
//   after   | Ethernet  | outer IP | IP | TCP or UDP ...        out of the port it came from
//
// The map `tunnels` says, by address, port and protocol of a service, where its tunnel ends; what it does not list
// passes. `tunnelled` counts packets and bytes by protocol, per CPU.
//
// Tested by: its rows of matrix.txt.
#include "checksum.h"
#include "counter.h"

struct service {
  struct address address;
  __be16 port;
  __u8 protocol;
  __u8 unused;
};

struct tunnel {
  struct address source;
  struct address destination;
  struct mac_address next_hop;
  __u16 unused;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 256);
  __type(key, struct service);
  __type(value, struct tunnel);
} tunnels SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, struct counter);
} tunnelled SEC(".maps");

static __always_inline struct tunnel* find_tunnel(struct cursor* cursor, struct address address, __u8 protocol) {
  struct service service = {.address = address, .protocol = protocol};
  if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) return NULL;
  struct ports* ports = cursor_take(cursor, struct ports);
  if (!ports) return NULL;
  service.port = ports->destination;
  return bpf_map_lookup_elem(&tunnels, &service);
}

static __always_inline void count(__u8 protocol, __u64 bytes) {
  __u32 key = protocol;
  struct counter* counter = bpf_map_lookup_elem(&tunnelled, &key);
  if (counter) count_per_cpu(counter, bytes);
}

// Grows the head by an outer header of `size` bytes and moves the Ethernet header in front of it.
static __always_inline bool push_outer(struct xdp_md* ctx, __u32 size, const struct tunnel* tunnel) {
  if (bpf_xdp_adjust_head(ctx, -(int)size)) return false;
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet || !cursor_skip(&cursor, size)) return false;
  const struct ethernet_header* old = (void*)ethernet + size;
  ethernet->destination = tunnel->next_hop;
  ethernet->source = old->destination;
  ethernet->protocol = old->protocol;
  return true;
}

static __always_inline int tunnel_ipv4(struct xdp_md* ctx, struct cursor cursor) {
  struct iphdr* inner = take_ipv4(&cursor);
  if (!inner || is_fragment(inner)) return XDP_PASS;
  __u8 protocol = inner->protocol;
  __u8 tos = inner->tos;
  __u16 length = bpf_ntohs(inner->tot_len);
  struct tunnel* tunnel = find_tunnel(&cursor, address_of_ipv4(inner->daddr), protocol);
  if (!tunnel) return XDP_PASS;
  if (!push_outer(ctx, sizeof(struct iphdr), tunnel)) return XDP_DROP;

  cursor = cursor_at_start(ctx);
  if (!cursor_take(&cursor, struct ethernet_header)) return XDP_DROP;
  struct iphdr* outer = cursor_take(&cursor, struct iphdr);
  if (!outer) return XDP_DROP;
  *outer = (struct iphdr){
      .version = 4,
      .ihl = sizeof(*outer) / 4,
      .tos = tos,
      .tot_len = bpf_htons(length + sizeof(*outer)),
      .ttl = DEFAULT_TTL,
      .protocol = IPPROTO_IPIP,
      .saddr = tunnel->source.words[3],
      .daddr = tunnel->destination.words[3],
  };
  outer->check = ipv4_checksum(outer);
  count(protocol, frame_length(ctx));
  return XDP_TX;
}

static __always_inline int tunnel_ipv6(struct xdp_md* ctx, struct cursor cursor) {
  struct ipv6hdr* inner = take_ipv6(&cursor);
  if (!inner) return XDP_PASS;
  __u8 protocol = inner->nexthdr;
  __u16 length = bpf_ntohs(inner->payload_len);
  struct tunnel* tunnel = find_tunnel(&cursor, address_of_ipv6(&inner->daddr), protocol);
  if (!tunnel) return XDP_PASS;
  if (!push_outer(ctx, sizeof(struct ipv6hdr), tunnel)) return XDP_DROP;

  cursor = cursor_at_start(ctx);
  if (!cursor_take(&cursor, struct ethernet_header)) return XDP_DROP;
  struct ipv6hdr* outer = cursor_take(&cursor, struct ipv6hdr);
  if (!outer) return XDP_DROP;
  *outer = (struct ipv6hdr){
      .version = 6,
      .payload_len = bpf_htons(length + sizeof(*outer)),
      .nexthdr = IPPROTO_IPV6,
      .hop_limit = DEFAULT_TTL,
  };
  __builtin_memcpy(&outer->saddr, &tunnel->source, sizeof(outer->saddr));
  __builtin_memcpy(&outer->daddr, &tunnel->destination, sizeof(outer->daddr));
  count(protocol, frame_length(ctx));
  return XDP_TX;
}

SEC("xdp")
int xdp_tx_iptunnel(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  if (ethernet->protocol == bpf_htons(ETH_P_IP)) return tunnel_ipv4(ctx, cursor);
  if (ethernet->protocol == bpf_htons(ETH_P_IPV6)) return tunnel_ipv6(ctx, cursor);
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
