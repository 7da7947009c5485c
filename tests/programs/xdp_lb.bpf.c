// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A layer-4 load balancer: packets for a virtual address (VIP) go, encapsulated in IP, to one of the real servers
// behind it, and all packets of a connection go to the same one.
//
//   vips ──▶ connections (LRU) ──hit──────────────────────▶ reals ──▶ encapsulate ──▶ TX
//               └─miss, or TCP SYN──▶ hash ──▶ ring of the VIP ──▶ (remembered)
//
// The control plane lays each VIP's reals out on its part of `ring` by consistent hashing, so that a change of servers
// moves few connections. The outer IPv4 source is 172.16.0.0/16 with the hash in its lower half: the receiver's queues
// then see many flows, not one. What is for no VIP passes; what is for a VIP but cannot be balanced drops.
//
// Tested by: its rows of matrix.txt.
#include <linux/tcp.h>

#include "checksum.h"
#include "hash.h"

#define MAX_VIPS 8
#define RING_SIZE 61  // per VIP; prime, as the permutations of consistent hashing want it
#define MAX_REALS 64
#define OUTER_SOURCE_PREFIX 0xac100000

struct vip {
  struct address address;
  __be16 port;
  __u8 protocol;
  __u8 unused;
};

struct vip_info {
  __u32 number;  // selects the ring and the statistics
  __u32 flags;
};

#define VIP_NO_CONNECTIONS 1  // stateless: by the ring alone

struct connection {
  struct address source;
  struct address destination;
  struct ports ports;
  __u32 protocol;
};

struct real {
  struct address address;
  struct mac_address next_hop;
  __u16 unused;
};

struct vip_stats {
  __u64 packets;
  __u64 bytes;
  __u64 by_connection;
  __u64 by_ring;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, MAX_VIPS);
  __type(key, struct vip);
  __type(value, struct vip_info);
} vips SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, MAX_VIPS* RING_SIZE);
  __type(key, __u32);
  __type(value, __u32);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, MAX_REALS);
  __type(key, __u32);
  __type(value, struct real);
} reals SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, struct connection);
  __type(value, __u32);  // index in `reals`
} connections SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, MAX_VIPS);
  __type(key, __u32);
  __type(value, struct vip_stats);
} stats SEC(".maps");

// What parsing found out about one packet.
struct packet {
  struct connection connection;
  __u16 inner_length;
  __u8 tos;
  bool is_ipv4;
  bool is_syn;
};

static __always_inline bool parse_ipv4(struct cursor* cursor, struct packet* packet) {
  struct iphdr* ip = take_ipv4(cursor);
  if (!ip || is_fragment(ip)) return false;
  packet->is_ipv4 = true;
  packet->tos = ip->tos;
  packet->inner_length = bpf_ntohs(ip->tot_len);
  packet->connection.source = address_of_ipv4(ip->saddr);
  packet->connection.destination = address_of_ipv4(ip->daddr);
  packet->connection.protocol = ip->protocol;
  return true;
}

static __always_inline bool parse_ipv6(struct cursor* cursor, struct packet* packet) {
  struct ipv6hdr* ip = take_ipv6(cursor);
  if (!ip) return false;
  packet->inner_length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
  packet->connection.source = address_of_ipv6(&ip->saddr);
  packet->connection.destination = address_of_ipv6(&ip->daddr);
  packet->connection.protocol = ip->nexthdr;
  return true;
}

static __always_inline bool parse_transport(struct cursor* cursor, struct packet* packet) {
  if (packet->connection.protocol == IPPROTO_TCP) {
    struct tcphdr* tcp = cursor_take(cursor, struct tcphdr);
    if (!tcp) return false;
    packet->is_syn = tcp->syn && !tcp->ack;
    packet->connection.ports = (struct ports){.source = tcp->source, .destination = tcp->dest};
    return true;
  }
  struct ports* ports = cursor_take(cursor, struct ports);
  if (packet->connection.protocol != IPPROTO_UDP || !ports) return false;
  packet->connection.ports = *ports;
  return true;
}

static __always_inline bool parse(struct xdp_md* ctx, struct packet* packet) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return false;
  if (ethernet->protocol == bpf_htons(ETH_P_IP)) {
    if (!parse_ipv4(&cursor, packet)) return false;
  } else if (ethernet->protocol != bpf_htons(ETH_P_IPV6) || !parse_ipv6(&cursor, packet)) {
    return false;
  }
  return parse_transport(&cursor, packet);
}

static __always_inline struct vip_info* find_vip(const struct connection* connection) {
  struct vip vip = {
      .address = connection->destination,
      .port = connection->ports.destination,
      .protocol = connection->protocol,
  };
  return bpf_map_lookup_elem(&vips, &vip);
}

static __always_inline __u32 hash_of(const struct connection* connection) {
  return hash_words((const u32_view*)connection, sizeof(*connection) / sizeof(__u32), 0);
}

// The index of the real that the ring gives this connection; remembered unless the VIP is stateless.
static __always_inline __u32* choose_real(const struct packet* packet, const struct vip_info* vip, __u32 hash) {
  __u32 place = vip->number * RING_SIZE + hash % RING_SIZE;
  __u32* real = bpf_map_lookup_elem(&ring, &place);
  if (real && !(vip->flags & VIP_NO_CONNECTIONS)) {
    bpf_map_update_elem(&connections, &packet->connection, real, BPF_ANY);
  }
  return real;
}

static __always_inline struct real* find_real(const struct packet* packet, const struct vip_info* vip,
                                              struct vip_stats* counts, __u32 hash) {
  __u32* index = NULL;
  if (!packet->is_syn && !(vip->flags & VIP_NO_CONNECTIONS)) {
    index = bpf_map_lookup_elem(&connections, &packet->connection);
  }
  if (index) {
    counts->by_connection++;
  } else {
    index = choose_real(packet, vip, hash);
    counts->by_ring++;
  }
  return index ? bpf_map_lookup_elem(&reals, index) : NULL;
}

// Grows the head by `size` bytes and puts the Ethernet header, readdressed, in front of them.
static __always_inline void* push_outer(struct xdp_md* ctx, __u32 size, const struct real* real) {
  if (bpf_xdp_adjust_head(ctx, -(int)size)) return NULL;
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  void* outer = cursor.position;
  if (!ethernet || !cursor_skip(&cursor, size)) return NULL;
  const struct ethernet_header* old = (void*)ethernet + size;
  ethernet->destination = real->next_hop;
  ethernet->source = old->destination;
  ethernet->protocol = old->protocol;
  return outer;
}

static __always_inline int encapsulate_ipv4(struct xdp_md* ctx, const struct packet* packet, const struct real* real,
                                            __u32 hash) {
  struct iphdr* outer = push_outer(ctx, sizeof(*outer), real);
  if (!outer) return XDP_DROP;
  *outer = (struct iphdr){
      .version = 4,
      .ihl = sizeof(*outer) / 4,
      .tos = packet->tos,
      .tot_len = bpf_htons(packet->inner_length + sizeof(*outer)),
      .ttl = DEFAULT_TTL,
      .protocol = IPPROTO_IPIP,
      .saddr = bpf_htonl(OUTER_SOURCE_PREFIX | (hash & 0xffff)),
      .daddr = real->address.words[3],
  };
  outer->check = ipv4_checksum(outer);
  return XDP_TX;
}

static __always_inline int encapsulate_ipv6(struct xdp_md* ctx, const struct packet* packet, const struct real* real,
                                            __u32 hash) {
  struct ipv6hdr* outer = push_outer(ctx, sizeof(*outer), real);
  if (!outer) return XDP_DROP;
  *outer = (struct ipv6hdr){
      .version = 6,
      .payload_len = bpf_htons(packet->inner_length),
      .nexthdr = IPPROTO_IPV6,
      .hop_limit = DEFAULT_TTL,
      .saddr.in6_u.u6_addr32 = {bpf_htonl(0x01000000), 0, 0, bpf_htonl(hash)},  // 100::/64 (RFC 6666) and the hash
  };
  __builtin_memcpy(&outer->daddr, &real->address, sizeof(outer->daddr));
  return XDP_TX;
}

SEC("xdp")
int xdp_lb(struct xdp_md* ctx) {
  struct packet packet = {};
  if (!parse(ctx, &packet)) return XDP_PASS;
  struct vip_info* vip = find_vip(&packet.connection);
  if (!vip) return XDP_PASS;
  struct vip_stats* counts = bpf_map_lookup_elem(&stats, &vip->number);
  if (!counts) return XDP_DROP;
  counts->packets++;
  counts->bytes += frame_length(ctx);

  __u32 hash = hash_of(&packet.connection);
  struct real* real = find_real(&packet, vip, counts, hash);
  if (!real) return XDP_DROP;
  return packet.is_ipv4 ? encapsulate_ipv4(ctx, &packet, real, hash) : encapsulate_ipv6(ctx, &packet, real, hash);
}

char LICENSE[] SEC("license") = "GPL";
