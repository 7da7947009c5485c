// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// NAT44 with everything checked (TCP, UDP, ICMP echo and errors, hairpins), and NAT64 in both directions: headers grow
// and shrink by adjust_head, addresses are embedded (RFC 6052), checksums are carried over by differences.
#include <linux/tcp.h>
#include <linux/udp.h>

#include "checksum.h"
#include "icmp.h"
#include "ip.h"
#include "verdicts.h"

enum direction { OUTWARD, INWARD };

struct nat_key {
  __be32 address;
  __be32 peer;
  __be16 port;
  __be16 peer_port;
  __u8 protocol;
  __u8 direction;
  __u16 unused;
};

struct nat_entry {
  __be32 address;
  __be16 port;
  __u16 flags;
  __u64 last_seen;
  __u64 packets;
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 65536);
  __type(key, struct nat_key);
  __type(value, struct nat_entry);
} translations SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __be32);
  __type(value, __be32);
} inside SEC(".maps");

const volatile __be32 outside_address = 0;
const volatile __u16 port_first = 1024;
const volatile __u16 port_count = 60000;
const volatile bool hairpin = true;

static __always_inline void replace_word(__sum16* check, __be32 before, __be32 after) {
  __u64 sum = (__u16) ~*check;
  sum += (__u16)~before + (__u16) ~(before >> 16);
  sum += (__u16)after + (__u16)(after >> 16);
  *check = checksum_fold(sum);
}

struct transport {
  struct ports* ports;
  __sum16* check;
  __u8 protocol;
};

static __always_inline bool take_ports(struct cursor* cursor, __u8 protocol, struct transport* out) {
  out->protocol = protocol;
  if (protocol == IPPROTO_TCP) {
    struct tcphdr* tcp = cursor_take(cursor, struct tcphdr);
    if (!tcp) return false;
    out->ports = (struct ports*)tcp;
    out->check = &tcp->check;
    return true;
  }
  if (protocol == IPPROTO_UDP) {
    struct udphdr* udp = cursor_take(cursor, struct udphdr);
    if (!udp) return false;
    out->ports = (struct ports*)udp;
    out->check = &udp->check;
    return true;
  }
  return false;
}

static __always_inline struct nat_entry* find_outward(const struct iphdr* ip, const struct ports* ports) {
  struct nat_key key = {.address = ip->saddr,
                        .peer = ip->daddr,
                        .port = ports->source,
                        .peer_port = ports->destination,
                        .protocol = ip->protocol,
                        .direction = OUTWARD};
  struct nat_entry* entry = bpf_map_lookup_elem(&translations, &key);
  if (entry) return entry;
  struct nat_entry fresh = {.address = outside_address, .last_seen = bpf_ktime_get_ns()};
  struct nat_key back = key;
  struct nat_entry reverse = {.address = ip->saddr, .port = ports->source, .last_seen = fresh.last_seen};
  back.address = ip->daddr;
  back.peer = outside_address;
  back.port = ports->destination;
  back.direction = INWARD;
#pragma clang loop unroll(disable)
  for (int i = 0; i < 8; i++) {
    __u16 port = port_first + bpf_get_prandom_u32() % port_count;
    fresh.port = bpf_htons(port);
    back.peer_port = fresh.port;
    if (bpf_map_update_elem(&translations, &back, &reverse, BPF_NOEXIST)) continue;
    if (bpf_map_update_elem(&translations, &key, &fresh, BPF_ANY)) return NULL;
    return bpf_map_lookup_elem(&translations, &key);
  }
  return NULL;
}

static __always_inline struct nat_entry* find_inward(const struct iphdr* ip, const struct ports* ports) {
  struct nat_key key = {.address = ip->saddr,
                        .peer = ip->daddr,
                        .port = ports->source,
                        .peer_port = ports->destination,
                        .protocol = ip->protocol,
                        .direction = INWARD};
  return bpf_map_lookup_elem(&translations, &key);
}

static __always_inline void rewrite_source(struct iphdr* ip, struct transport* transport, struct nat_entry* entry) {
  __be32 before = ip->saddr;
  __be16 port = transport->ports->source;
  ip->saddr = entry->address;
  transport->ports->source = entry->port;
  replace_word(&ip->check, before, ip->saddr);
  if (transport->protocol == IPPROTO_UDP && *transport->check == 0) return;
  replace_word(transport->check, before, ip->saddr);
  *transport->check = checksum_update(*transport->check, port, entry->port);
}

static __always_inline void rewrite_destination(struct iphdr* ip, struct transport* transport,
                                                struct nat_entry* entry) {
  __be32 before = ip->daddr;
  __be16 port = transport->ports->destination;
  ip->daddr = entry->address;
  transport->ports->destination = entry->port;
  replace_word(&ip->check, before, ip->daddr);
  if (transport->protocol == IPPROTO_UDP && *transport->check == 0) return;
  replace_word(transport->check, before, ip->daddr);
  *transport->check = checksum_update(*transport->check, port, entry->port);
}

// An ICMP error from outside: what it quotes is one of our packets, to be turned back as well.
static __always_inline int icmp_error(struct cursor* cursor, struct iphdr* ip) {
  struct icmp_header* icmp = cursor_take(cursor, struct icmp_header);
  if (!icmp) return XDP_DROP;
  if (icmp->type != ICMP_DESTINATION_UNREACHABLE && icmp->type != 11 && icmp->type != 12) return XDP_PASS;
  struct iphdr* quoted = cursor_take(cursor, struct iphdr);
  if (!quoted || quoted->ihl != 5) return XDP_DROP;
  struct ports* ports = cursor_take(cursor, struct ports);
  if (!ports) return XDP_DROP;
  struct nat_key key = {.address = quoted->daddr,
                        .peer = quoted->saddr,
                        .port = ports->destination,
                        .peer_port = ports->source,
                        .protocol = quoted->protocol,
                        .direction = INWARD};
  struct nat_entry* entry = bpf_map_lookup_elem(&translations, &key);
  if (!entry) return XDP_DROP;
  __be32 before = quoted->saddr;
  quoted->saddr = entry->address;
  replace_word(&icmp->checksum, before, entry->address);
  icmp->checksum = checksum_update(icmp->checksum, ports->source, entry->port);
  ports->source = entry->port;
  before = ip->daddr;
  ip->daddr = entry->address;
  replace_word(&ip->check, before, ip->daddr);
  return XDP_PASS;
}

SEC("xdp")
int nat44(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol)) return XDP_DROP;
  if (protocol != bpf_htons(ETH_P_IP)) return XDP_PASS;
  struct iphdr* ip = take_ipv4(&cursor);
  if (!ip || ip->ttl <= 1) return XDP_DROP;
  if (is_fragment(ip)) return count_verdict(XDP_DROP, 1);
  __be32* own = bpf_map_lookup_elem(&inside, &ip->saddr);
  if (!own && ip->protocol == IPPROTO_ICMP) return icmp_error(&cursor, ip);
  struct transport transport = {};
  if (!take_ports(&cursor, ip->protocol, &transport)) return XDP_PASS;
  struct nat_entry* entry;
  if (own) {
    entry = find_outward(ip, transport.ports);
    if (!entry) return count_verdict(XDP_DROP, 2);
    rewrite_source(ip, &transport, entry);
    __sync_fetch_and_add(&entry->packets, 1);
    if (hairpin && ip->daddr == outside_address) {
      struct nat_entry* second = find_inward(ip, transport.ports);
      if (!second) return count_verdict(XDP_DROP, 3);
      rewrite_destination(ip, &transport, second);
    }
  } else {
    entry = find_inward(ip, transport.ports);
    if (!entry) return count_verdict(XDP_DROP, 4);
    rewrite_destination(ip, &transport, entry);
    entry->last_seen = bpf_ktime_get_ns();
  }
  decrement_ttl(ip);
  return count_verdict(XDP_TX, frame_length(ctx));
}

// ---- NAT64 ---------------------------------------------------------------------------------------------------------

const volatile struct address prefix64 = {.words = {0}};

static __always_inline bool has_prefix(const struct in6_addr* address) {
  return address->in6_u.u6_addr32[0] == prefix64.words[0] && address->in6_u.u6_addr32[1] == prefix64.words[1] &&
         address->in6_u.u6_addr32[2] == prefix64.words[2];
}

static __always_inline __u32 sum_of(const struct in6_addr* address) {
  __u32 sum = 0;
  for (int i = 0; i < 8; i++) sum += address->in6_u.u6_addr16[i];
  return sum;
}

static __always_inline bool fix_transport(struct cursor* cursor, __u8 protocol, __u32 removed, __u32 added) {
  struct transport transport = {};
  if (!take_ports(cursor, protocol, &transport)) return false;
  __u64 sum = (__u16) ~*transport.check;
  removed = (removed & 0xffff) + (removed >> 16);
  removed = (removed & 0xffff) + (removed >> 16);
  *transport.check = checksum_fold(sum + (__u16)~removed + added);
  return true;
}

SEC("xdp")
int nat64_out(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet || ethernet->protocol != bpf_htons(ETH_P_IPV6)) return XDP_PASS;
  struct ethernet_header link = *ethernet;
  struct ipv6hdr* ip = take_ipv6(&cursor);
  if (!ip) return XDP_DROP;
  if (!has_prefix(&ip->daddr) || ip->hop_limit <= 1) return XDP_PASS;
  __u8 next = ip->nexthdr;
  __be16 bytes = ip->payload_len;
  __u8 ttl = ip->hop_limit - 1;
  __u8 tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
  __be32 destination = ip->daddr.in6_u.u6_addr32[3];
  __be32 source = outside_address;
  __u32 removed = sum_of(&ip->saddr) + sum_of(&ip->daddr);
  __u32 added = (destination >> 16) + (destination & 0xffff) + (source >> 16) + (source & 0xffff);
  if (!fix_transport(&cursor, next, removed, added)) return XDP_PASS;
  if (bpf_xdp_adjust_head(ctx, (int)sizeof(struct ipv6hdr) - (int)sizeof(struct iphdr))) return XDP_DROP;
  cursor = cursor_at_start(ctx);
  struct ethernet_header* fresh = cursor_take(&cursor, struct ethernet_header);
  struct iphdr* ip4 = cursor_take(&cursor, struct iphdr);
  if (!fresh || !ip4) return XDP_ABORTED;
  protocol = bpf_htons(ETH_P_IP);
  *fresh = link;
  fresh->protocol = protocol;
  *ip4 = (struct iphdr){.version = 4,
                        .ihl = 5,
                        .tos = tos,
                        .tot_len = bpf_htons(bpf_ntohs(bytes) + sizeof(*ip4)),
                        .ttl = ttl,
                        .protocol = next,
                        .saddr = source,
                        .daddr = destination};
  ip4->check = ipv4_checksum(ip4);
  return count_verdict(XDP_TX, frame_length(ctx));
}

SEC("xdp")
int nat64_in(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet || ethernet->protocol != bpf_htons(ETH_P_IP)) return XDP_PASS;
  struct ethernet_header link = *ethernet;
  struct iphdr* ip = cursor_take(&cursor, struct iphdr);
  if (!ip || ip->ihl != 5 || is_fragment(ip) || ip->ttl <= 1) return XDP_DROP;
  struct iphdr copy = *ip;
  struct address source = {.words = {prefix64.words[0], prefix64.words[1], prefix64.words[2], copy.saddr}};
  __be32* own = bpf_map_lookup_elem(&inside, &copy.daddr);
  if (!own) return XDP_PASS;
  struct address destination = {.words = {prefix64.words[0], prefix64.words[1], prefix64.words[2], *own}};
  __u32 removed = (copy.daddr >> 16) + (copy.daddr & 0xffff) + (copy.saddr >> 16) + (copy.saddr & 0xffff);
  __u32 added = sum_of((struct in6_addr*)&source) + sum_of((struct in6_addr*)&destination);
  if (!fix_transport(&cursor, copy.protocol, removed, added)) return XDP_PASS;
  if (bpf_xdp_adjust_head(ctx, (int)sizeof(struct iphdr) - (int)sizeof(struct ipv6hdr))) return XDP_DROP;
  cursor = cursor_at_start(ctx);
  struct ethernet_header* fresh = cursor_take(&cursor, struct ethernet_header);
  struct ipv6hdr* ip6 = cursor_take(&cursor, struct ipv6hdr);
  if (!fresh || !ip6) return XDP_ABORTED;
  *fresh = link;
  fresh->protocol = bpf_htons(ETH_P_IPV6);
  __builtin_memset(ip6, 0, sizeof(*ip6));
  ip6->version = 6;
  ip6->priority = copy.tos >> 4;
  ip6->payload_len = bpf_htons(bpf_ntohs(copy.tot_len) - sizeof(copy));
  ip6->nexthdr = copy.protocol;
  ip6->hop_limit = copy.ttl - 1;
  __builtin_memcpy(&ip6->saddr, &source, sizeof(source));
  __builtin_memcpy(&ip6->daddr, &destination, sizeof(destination));
  return count_verdict(XDP_TX, frame_length(ctx));
}

char LICENSE[] SEC("license") = "GPL";
