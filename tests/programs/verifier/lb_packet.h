// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// lb_full's maps, and how it takes a packet apart: both families, extension headers, fragments, and ICMP errors, whose
// quoted packet is turned round and balanced like the flow it belongs to.
//
// Tested by: lb_full.
#pragma once

#include <linux/tcp.h>
#include <linux/udp.h>

#include "checksum.h"
#include "cursor.h"
#include "hash.h"
#include "icmp.h"
#include "ip.h"

#define RING_SIZE 65537
#define MAX_VIPS 512
#define MAX_REALS 4096
#define MAX_CPUS 128
#define GUE_PORT 6080
#define QUIC_MIN_ID 8
#define NEW_CONNECTIONS_PER_TICK 10000
#define TCP_IDLE_NS 60000000000ULL

enum vip_flags {
  VIP_HASH_NO_SOURCE_PORT = 1 << 0,
  VIP_NO_LRU = 1 << 1,
  VIP_QUIC = 1 << 2,
  VIP_HASH_DESTINATION_PORT = 1 << 3,
  VIP_SOURCE_ROUTED = 1 << 4,
  VIP_LOCAL = 1 << 5,
  VIP_GLOBAL_LRU = 1 << 6,
  VIP_GUE = 1 << 7,
};

enum packet_flags {
  PACKET_ICMP = 1 << 0,
  PACKET_SYN = 1 << 1,
  PACKET_V6 = 1 << 2,
};

struct vip_key {
  struct address address;
  __be16 port;
  __u8 protocol;
  __u8 unused;
};

struct vip {
  __u32 flags;
  __u32 number;
};

struct real {
  struct address address;
  __u32 flags;
};

struct flow {
  struct address source;
  struct address destination;
  struct ports ports;
  __u8 protocol;
  __u8 unused[3];
};

struct connection {
  __u32 real;
  __u32 padding;
  __u64 last_seen;
};

struct route {
  __u32 prefix_bits;
  struct address address;
};

struct stats {
  __u64 a, b;
};

struct packet {
  struct flow flow;
  __u32 flags;
  __u32 real;
  __u32 payload_bytes;
  __u8 tos;
};

#define MAP(map_type, entries, map_name, key_type, value_type) \
  struct {                                                     \
    __uint(type, map_type);                                    \
    __uint(max_entries, entries);                              \
    __type(key, key_type);                                     \
    __type(value, value_type);                                 \
  } map_name SEC(".maps")

MAP(BPF_MAP_TYPE_HASH, MAX_VIPS, vips, struct vip_key, struct vip);
MAP(BPF_MAP_TYPE_ARRAY, MAX_VIPS* RING_SIZE, rings, __u32, __u32);
MAP(BPF_MAP_TYPE_ARRAY, MAX_REALS, reals, __u32, struct real);
MAP(BPF_MAP_TYPE_PERCPU_ARRAY, MAX_VIPS * 2, vip_stats, __u32, struct stats);
MAP(BPF_MAP_TYPE_PERCPU_ARRAY, MAX_REALS, real_stats, __u32, struct stats);
MAP(BPF_MAP_TYPE_LRU_HASH, 1000, fallback_connections, struct flow, struct connection);
MAP(BPF_MAP_TYPE_LRU_HASH, 1000, global_connections, struct flow, __u32);
MAP(BPF_MAP_TYPE_HASH, 4096, quic_servers, __u32, __u32);
MAP(BPF_MAP_TYPE_ARRAY, 16, settings, __u32, struct address);
MAP(BPF_MAP_TYPE_PERCPU_ARRAY, 1, new_connections, __u32, struct stats);

struct connection_table {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1000);
  __type(key, struct flow);
  __type(value, struct connection);
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, MAX_CPUS);
  __type(key, __u32);
  __array(values, struct connection_table);
} connections SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 10000);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct route);
  __type(value, __u32);
} routes SEC(".maps");

enum { STAT_LRU = MAX_VIPS, STAT_LRU_MISS, STAT_ICMP, STAT_QUIC, STAT_FRAGMENT, STAT_GLOBAL, STAT_LOCAL, STAT_ENCAP };
enum { SETTING_MAC, SETTING_SOURCE4, SETTING_SOURCE6, SETTING_HC };

static __always_inline void count(__u32 which, __u64 a, __u64 b) {
  struct stats* stats = bpf_map_lookup_elem(&vip_stats, &which);
  if (!stats) return;
  stats->a += a;
  stats->b += b;
}

// ---- parsing -------------------------------------------------------------------------------------------------------

// 0: go on; otherwise the verdict plus 1.
#define GO_ON 0
#define VERDICT(action) ((action) + 1)

static __always_inline int take_transport(struct cursor* cursor, struct packet* packet) {
  if (packet->flow.protocol == IPPROTO_TCP) {
    struct tcphdr* tcp = cursor_take(cursor, struct tcphdr);
    if (!tcp) return VERDICT(XDP_DROP);
    if (tcp->syn) packet->flags |= PACKET_SYN;
    bool inner = packet->flags & PACKET_ICMP;
    packet->flow.ports.source = inner ? tcp->dest : tcp->source;
    packet->flow.ports.destination = inner ? tcp->source : tcp->dest;
    return GO_ON;
  }
  if (packet->flow.protocol == IPPROTO_UDP) {
    struct udphdr* udp = cursor_take(cursor, struct udphdr);
    if (!udp) return VERDICT(XDP_DROP);
    bool inner = packet->flags & PACKET_ICMP;
    packet->flow.ports.source = inner ? udp->dest : udp->source;
    packet->flow.ports.destination = inner ? udp->source : udp->dest;
    return GO_ON;
  }
  return VERDICT(XDP_PASS);
}

// The ports of what an ICMP error quotes: its own first bytes only.
static __always_inline int take_quoted_ports(struct cursor* cursor, struct packet* packet) {
  struct ports* ports = cursor_take(cursor, struct ports);
  if (!ports) return VERDICT(XDP_DROP);
  if (packet->flow.protocol != IPPROTO_TCP && packet->flow.protocol != IPPROTO_UDP) return VERDICT(XDP_PASS);
  packet->flow.ports.source = ports->destination;
  packet->flow.ports.destination = ports->source;
  return GO_ON;
}

static __always_inline int take_icmp4(struct cursor* cursor, struct packet* packet) {
  struct icmp_header* icmp = cursor_take(cursor, struct icmp_header);
  if (!icmp) return VERDICT(XDP_DROP);
  if (icmp->type == 8) {
    icmp->type = 0;
    icmp->checksum += 8;
    return VERDICT(XDP_TX);
  }
  if (icmp->type != ICMP_DESTINATION_UNREACHABLE) return VERDICT(XDP_PASS);
  count(STAT_ICMP, icmp->code == ICMP_FRAGMENTATION_NEEDED, 1);
  struct iphdr* quoted = take_ipv4(cursor);
  if (!quoted) return VERDICT(XDP_DROP);
  packet->flow.protocol = quoted->protocol;
  packet->flow.source = address_of_ipv4(quoted->daddr);
  packet->flow.destination = address_of_ipv4(quoted->saddr);
  packet->flags |= PACKET_ICMP;
  return take_quoted_ports(cursor, packet);
}

static __always_inline int take_icmp6(struct cursor* cursor, struct packet* packet) {
  struct icmp_header* icmp = cursor_take(cursor, struct icmp_header);
  if (!icmp) return VERDICT(XDP_DROP);
  if (icmp->type == 128) return VERDICT(XDP_TX);
  if (icmp->type != 1 && icmp->type != 2) return VERDICT(XDP_PASS);
  count(STAT_ICMP, icmp->type == 2, 1);
  struct ipv6hdr* quoted = take_ipv6(cursor);
  if (!quoted) return VERDICT(XDP_DROP);
  packet->flow.protocol = quoted->nexthdr;
  packet->flow.source = address_of_ipv6(&quoted->daddr);
  packet->flow.destination = address_of_ipv6(&quoted->saddr);
  packet->flags |= PACKET_ICMP;
  return take_quoted_ports(cursor, packet);
}

struct extension {
  __u8 next;
  __u8 length;  // in 8 bytes, without the first
  __u8 data[6];
};

static __always_inline int skip_extensions(struct cursor* cursor, struct packet* packet) {
#pragma unroll
  for (int i = 0; i < 6; i++) {
    struct extension* extension;
    switch (packet->flow.protocol) {
      case IPPROTO_HOPOPTS:
      case IPPROTO_ROUTING:
      case IPPROTO_DSTOPTS:
        extension = cursor_take(cursor, struct extension);
        if (!extension) return VERDICT(XDP_DROP);
        packet->flow.protocol = extension->next;
        if (!cursor_skip(cursor, extension->length * 8)) return VERDICT(XDP_DROP);
        break;
      case IPPROTO_FRAGMENT:
        count(STAT_FRAGMENT, 0, 1);
        return VERDICT(XDP_DROP);
      default:
        return GO_ON;
    }
  }
  return GO_ON;
}

static __always_inline int take_network4(struct cursor* cursor, struct packet* packet) {
  struct iphdr* ip = take_ipv4(cursor);
  if (!ip) return VERDICT(XDP_DROP);
  if (is_fragment(ip)) {
    count(STAT_FRAGMENT, 1, 0);
    return VERDICT(XDP_DROP);
  }
  packet->tos = ip->tos;
  packet->payload_bytes = bpf_ntohs(ip->tot_len);
  packet->flow.protocol = ip->protocol;
  packet->flow.source = address_of_ipv4(ip->saddr);
  packet->flow.destination = address_of_ipv4(ip->daddr);
  if (ip->protocol == IPPROTO_ICMP) return take_icmp4(cursor, packet);
  return take_transport(cursor, packet);
}

static __always_inline int take_network6(struct cursor* cursor, struct packet* packet) {
  struct ipv6hdr* ip = take_ipv6(cursor);
  if (!ip) return VERDICT(XDP_DROP);
  packet->flags |= PACKET_V6;
  packet->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
  packet->payload_bytes = bpf_ntohs(ip->payload_len) + sizeof(*ip);
  packet->flow.protocol = ip->nexthdr;
  packet->flow.source = address_of_ipv6(&ip->saddr);
  packet->flow.destination = address_of_ipv6(&ip->daddr);
  int done = skip_extensions(cursor, packet);
  if (done) return done;
  if (packet->flow.protocol == IPPROTO_ICMPV6) return take_icmp6(cursor, packet);
  return take_transport(cursor, packet);
}
