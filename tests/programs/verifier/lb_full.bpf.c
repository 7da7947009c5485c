// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A layer-4 load balancer with everything in it, for the verifier's sake: IPv4 and IPv6, IPv6 extension headers,
// fragments, ICMP errors of both families, QUIC connection ids, virtual services by address, port and protocol with a
// wildcard port, source routing, connection tables per CPU (maps in maps) with a shared fallback, rate-limited new
// connections, a consistent-hash ring, encapsulation in IPIP, IP6IP6 and UDP (GUE), statistics everywhere.
//
// What makes it hard: each stage multiplies paths, pointers into the packet are recomputed after adjust_head, and the
// same frame is read through variable offsets in several stages.
#include "lb_packet.h"

// ---- choosing a real server ----------------------------------------------------------------------------------------

struct quic_long {
  __u8 flags;
  __be32 version;
  __u8 id_bytes;
  __u8 id[QUIC_MIN_ID];
} __attribute__((packed));

struct quic_short {
  __u8 flags;
  __u8 id[QUIC_MIN_ID];
} __attribute__((packed));

// The server number that a QUIC connection id carries, or 0. The cursor stands behind the UDP header.
static __always_inline __u32 quic_server(struct cursor* cursor) {
  __u8* first = cursor->position;
  if ((void*)(first + 1) > cursor->end) return 0;
  const __u8* id;
  if (*first & 0x80) {
    struct quic_long* header = cursor_take(cursor, struct quic_long);
    if (!header || header->id_bytes < QUIC_MIN_ID) return 0;
    if ((header->flags & 0x30) < 0x20) return 0;
    id = header->id;
  } else {
    struct quic_short* header = cursor_take(cursor, struct quic_short);
    if (!header) return 0;
    id = header->id;
  }
  switch (id[0] >> 6) {
    case 1:
      return (id[0] & 0x3f) << 10 | id[1] << 2 | id[2] >> 6;
    case 2:
      return id[1] << 16 | id[2] << 8 | id[3];
    case 3:
      return (__u32)id[1] << 24 | id[2] << 16 | id[3] << 8 | id[4];
    default:
      return 0;
  }
}

static __always_inline bool new_connection_allowed(__u64 now) {
  __u32 zero = 0;
  struct stats* rate = bpf_map_lookup_elem(&new_connections, &zero);
  if (!rate) return true;
  if (now - rate->b > 1000000000ULL) {
    rate->a = 1;
    rate->b = now;
    return true;
  }
  return ++rate->a <= NEW_CONNECTIONS_PER_TICK;
}

static __always_inline bool find_connection(void* table, struct packet* packet, __u64 now) {
  struct connection* known = bpf_map_lookup_elem(table, &packet->flow);
  if (!known) return false;
  if (packet->flow.protocol == IPPROTO_UDP) {
    if (now - known->last_seen > TCP_IDLE_NS) return false;
    known->last_seen = now;
  }
  packet->real = known->real;
  return true;
}

static __always_inline bool find_in_ring(struct packet* packet, const struct vip* vip, __u64 now, void* table) {
  __u32 hash;
  struct flow* flow = &packet->flow;
  if (vip->flags & VIP_HASH_DESTINATION_PORT) {
    hash = hash_words((const u32_view*)&flow->source, 4, flow->ports.destination);
  } else {
    hash = hash_words((const u32_view*)&flow->source, 4, *(const u32_view*)&flow->ports);
  }
  if (packet->flags & PACKET_V6) hash ^= hash_words((const u32_view*)&flow->destination, 4, 7);
  __u32 slot = RING_SIZE * vip->number + hash % RING_SIZE;
  __u32* real = bpf_map_lookup_elem(&rings, &slot);
  if (!real || *real == 0) return false;
  packet->real = *real;
  if (vip->flags & VIP_NO_LRU) return true;
  if (!new_connection_allowed(now)) return true;
  struct connection connection = {.real = packet->real, .last_seen = now};
  bpf_map_update_elem(table, &packet->flow, &connection, BPF_ANY);
  if (vip->flags & VIP_GLOBAL_LRU) bpf_map_update_elem(&global_connections, &packet->flow, &packet->real, BPF_ANY);
  return true;
}

static __always_inline bool find_by_source(struct packet* packet) {
  struct route route = {.prefix_bits = packet->flags & PACKET_V6 ? 128 : 32, .address = packet->flow.source};
  __u32* real = bpf_map_lookup_elem(&routes, &route);
  if (!real) return false;
  packet->real = *real;
  return true;
}

static __always_inline bool choose_real(struct cursor* payload, struct packet* packet, struct vip* vip) {
  if (vip->flags & VIP_QUIC && !(packet->flags & PACKET_ICMP) && packet->flow.protocol == IPPROTO_UDP) {
    __u32 server = quic_server(payload);
    __u32* real = server ? bpf_map_lookup_elem(&quic_servers, &server) : NULL;
    count(STAT_QUIC, real != NULL, 1);
    if (real && *real < MAX_REALS) {
      packet->real = *real;
      return true;
    }
  }
  if (vip->flags & VIP_SOURCE_ROUTED && find_by_source(packet)) return true;
  __u64 now = bpf_ktime_get_ns();
  __u32 cpu = bpf_get_smp_processor_id();
  void* table = bpf_map_lookup_elem(&connections, &cpu);
  if (!table) {
    table = &fallback_connections;
    count(STAT_LRU_MISS, 0, 1);
  }
  count(STAT_LRU, 1, 0);
  if (!(packet->flags & PACKET_SYN) && !(vip->flags & VIP_NO_LRU)) {
    if (find_connection(table, packet, now)) return true;
    if (vip->flags & VIP_GLOBAL_LRU) {
      __u32* real = bpf_map_lookup_elem(&global_connections, &packet->flow);
      count(STAT_GLOBAL, real != NULL, 1);
      if (real) {
        packet->real = *real;
        return true;
      }
    }
    count(STAT_LRU_MISS, 1, 0);
  }
  return find_in_ring(packet, vip, now, table);
}

// ---- encapsulation -------------------------------------------------------------------------------------------------

static __always_inline bool set_ethernet(struct xdp_md* ctx, __be16 protocol) {
  __u32 key = SETTING_MAC;
  struct address* router = bpf_map_lookup_elem(&settings, &key);
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!router || !ethernet) return false;
  __builtin_memcpy(&ethernet->source, &ethernet->destination, ETH_ALEN);
  __builtin_memcpy(&ethernet->destination, router->words, ETH_ALEN);
  ethernet->protocol = protocol;
  return true;
}

struct outer4 {
  struct ethernet_header ethernet;
  struct iphdr ip;
} __attribute__((packed));

struct outer6 {
  struct ethernet_header ethernet;
  struct ipv6hdr ip;
} __attribute__((packed));

static __always_inline int encapsulate4(struct xdp_md* ctx, struct packet* packet, struct real* real, bool gue) {
  int extra = sizeof(struct iphdr) + (gue ? sizeof(struct udphdr) : 0);
  if (bpf_xdp_adjust_head(ctx, -extra)) return XDP_DROP;
  if (!set_ethernet(ctx, bpf_htons(ETH_P_IP))) return XDP_DROP;
  __u32 key = SETTING_SOURCE4;
  struct address* source = bpf_map_lookup_elem(&settings, &key);
  struct cursor cursor = cursor_at_start(ctx);
  if (!cursor_skip(&cursor, sizeof(struct ethernet_header))) return XDP_DROP;
  struct iphdr* ip = cursor_take(&cursor, struct iphdr);
  if (!ip || !source) return XDP_DROP;
  ip->version = 4;
  ip->ihl = 5;
  ip->tos = packet->tos;
  ip->tot_len = bpf_htons(packet->payload_bytes + extra);
  ip->id = 0;
  ip->frag_off = 0;
  ip->ttl = DEFAULT_TTL;
  ip->protocol = gue ? IPPROTO_UDP : IPPROTO_IPIP;
  ip->check = 0;
  ip->saddr = gue ? source->words[3] : source->words[3] ^ (packet->flow.source.words[3] & bpf_htonl(0xffff));
  ip->daddr = real->address.words[3];
  ip->check = ipv4_checksum(ip);
  if (!gue) return XDP_TX;
  struct udphdr* udp = cursor_take(&cursor, struct udphdr);
  if (!udp) return XDP_DROP;
  udp->source = packet->flow.ports.source ^ (__u16)packet->flow.source.words[3];
  udp->dest = bpf_htons(GUE_PORT);
  udp->len = bpf_htons(packet->payload_bytes + sizeof(*udp));
  udp->check = 0;
  return XDP_TX;
}

static __always_inline int encapsulate6(struct xdp_md* ctx, struct packet* packet, struct real* real, bool gue) {
  int extra = sizeof(struct ipv6hdr) + (gue ? sizeof(struct udphdr) : 0);
  if (bpf_xdp_adjust_head(ctx, -extra)) return XDP_DROP;
  if (!set_ethernet(ctx, bpf_htons(ETH_P_IPV6))) return XDP_DROP;
  __u32 key = SETTING_SOURCE6;
  struct address* source = bpf_map_lookup_elem(&settings, &key);
  struct cursor cursor = cursor_at_start(ctx);
  if (!cursor_skip(&cursor, sizeof(struct ethernet_header))) return XDP_DROP;
  struct ipv6hdr* ip = cursor_take(&cursor, struct ipv6hdr);
  if (!ip || !source) return XDP_DROP;
  ip->version = 6;
  ip->priority = packet->tos >> 4;
  __builtin_memset(ip->flow_lbl, 0, sizeof(ip->flow_lbl));
  ip->payload_len = bpf_htons(packet->payload_bytes + (gue ? sizeof(struct udphdr) : 0));
  ip->hop_limit = DEFAULT_TTL;
  ip->nexthdr = gue ? IPPROTO_UDP : packet->flags & PACKET_V6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
  __builtin_memcpy(&ip->saddr, source, sizeof(ip->saddr));
  if (!gue) ip->saddr.in6_u.u6_addr32[3] ^= packet->flow.source.words[3];
  __builtin_memcpy(&ip->daddr, &real->address, sizeof(ip->daddr));
  if (!gue) return XDP_TX;
  struct udphdr* udp = cursor_take(&cursor, struct udphdr);
  if (!udp) return XDP_DROP;
  udp->source = packet->flow.ports.source ^ (__u16)packet->flow.source.words[3];
  udp->dest = bpf_htons(GUE_PORT);
  udp->len = bpf_htons(packet->payload_bytes + sizeof(*udp));
  udp->check = 0;
  return XDP_TX;
}

// ---- decapsulation of what comes in for us -------------------------------------------------------------------------

// The packet inside UDP becomes the packet. False where that cannot be.
static __always_inline bool decapsulate_gue(struct xdp_md* ctx, struct cursor cursor, struct packet* packet,
                                            bool* inner6) {
  __u8* version = cursor.position;
  if ((void*)(version + 1) > cursor.end) return false;
  *inner6 = *version >> 4 == 6;
  int outer = packet->flags & PACKET_V6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
  struct cursor start = cursor_at_start(ctx);
  struct ethernet_header* old = cursor_take(&start, struct ethernet_header);
  if (!old) return false;
  struct ethernet_header copy = *old;
  if (bpf_xdp_adjust_head(ctx, outer + (int)sizeof(struct udphdr))) return false;
  struct cursor again = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&again, struct ethernet_header);
  if (!ethernet) return false;
  *ethernet = copy;
  ethernet->protocol = *inner6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
  return true;
}

// ---- the whole -----------------------------------------------------------------------------------------------------

static __always_inline struct vip* find_vip(const struct packet* packet) {
  struct vip_key key = {
      .address = packet->flow.destination, .port = packet->flow.ports.destination, .protocol = packet->flow.protocol};
  struct vip* vip = bpf_map_lookup_elem(&vips, &key);
  if (vip) return vip;
  key.port = 0;
  vip = bpf_map_lookup_elem(&vips, &key);
  return vip;
}

// From the virtual service on: the packet is known.
static __always_inline int deliver(struct xdp_md* ctx, struct cursor* cursor, struct packet* packet) {
  struct vip* vip = find_vip(packet);
  if (!vip) return XDP_PASS;
  if (packet->payload_bytes > 1460 + 60) {
    count(STAT_ENCAP, 0, 1);
    return XDP_DROP;
  }
  if (vip->flags & VIP_HASH_NO_SOURCE_PORT) packet->flow.ports.source = 0;
  if (!choose_real(cursor, packet, vip)) return XDP_DROP;
  __u32 number = packet->real;
  struct real* real = bpf_map_lookup_elem(&reals, &number);
  if (!real) return XDP_DROP;
  count(vip->number, 1, packet->payload_bytes);
  struct stats* stats = bpf_map_lookup_elem(&real_stats, &number);
  if (stats) {
    stats->a++;
    stats->b += packet->payload_bytes;
  }
  if (vip->flags & VIP_LOCAL && real->flags & 2) {
    count(STAT_LOCAL, 1, 0);
    return XDP_PASS;
  }
  bool gue = vip->flags & VIP_GUE;
  if (real->flags & 1) return encapsulate6(ctx, packet, real, gue);
  return encapsulate4(ctx, packet, real, gue);
}

static __always_inline int balance_inner(struct xdp_md* ctx, struct packet* packet, bool v6) {
  struct cursor cursor = cursor_at_start(ctx);
  if (!cursor_skip(&cursor, sizeof(struct ethernet_header))) return XDP_DROP;
  __builtin_memset(packet, 0, sizeof(*packet));
  int done = v6 ? take_network6(&cursor, packet) : take_network4(&cursor, packet);
  return done ? done - 1 : deliver(ctx, &cursor, packet);
}

static __always_inline int balance(struct xdp_md* ctx, struct cursor cursor, bool v6) {
  struct packet packet = {};
  int done = v6 ? take_network6(&cursor, &packet) : take_network4(&cursor, &packet);
  if (done) return done - 1;
  bool gue = packet.flow.protocol == IPPROTO_UDP && packet.flow.ports.destination == bpf_htons(GUE_PORT);
  if (gue && !(packet.flags & PACKET_ICMP)) {
    bool inner6;
    if (!decapsulate_gue(ctx, cursor, &packet, &inner6)) return XDP_DROP;
    return inner6 ? balance_inner(ctx, &packet, true) : balance_inner(ctx, &packet, false);
  }
  return deliver(ctx, &cursor, &packet);
}

SEC("xdp")
int lb_full(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol)) return XDP_DROP;
  if (protocol == bpf_htons(ETH_P_IP)) return balance(ctx, cursor, false);
  if (protocol == bpf_htons(ETH_P_IPV6)) return balance(ctx, cursor, true);
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
