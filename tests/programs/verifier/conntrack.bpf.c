// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A connection tracker: an entry per connection under a spin lock, a TCP state machine as a switch in a switch, both
// directions under one key, entries expired by time. Every path that takes the lock gives it back.
#include <linux/tcp.h>
#include <linux/udp.h>

#include "ip.h"
#include "verdicts.h"

enum state { NEW, SYN_SENT, SYN_RECEIVED, ESTABLISHED, FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSED };

struct connection_key {
  struct address low, high;
  __be16 low_port, high_port;
  __u8 protocol;
  __u8 unused[3];
};

struct connection {
  struct bpf_spin_lock lock;
  __u8 state;
  __u8 opener;  // 1: the lower address opened it
  __u16 unused;
  __u32 next_sequence[2];
  __u64 packets[2];
  __u64 bytes[2];
  __u64 last_seen;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 65536);
  __type(key, struct connection_key);
  __type(value, struct connection);
} table SEC(".maps");

static __always_inline int compare(const struct address* a, const struct address* b) {
  for (int i = 0; i < 4; i++) {
    if (a->words[i] != b->words[i]) return bpf_ntohl(a->words[i]) < bpf_ntohl(b->words[i]) ? -1 : 1;
  }
  return 0;
}

struct segment {
  __u32 sequence;
  bool syn, ack, fin, rst;
};

static __always_inline __u8 next_state(__u8 state, const struct segment* segment, bool from_opener) {
  if (segment->rst) return CLOSED;
  switch (state) {
    case NEW:
      return segment->syn && !segment->ack ? SYN_SENT : NEW;
    case SYN_SENT:
      if (from_opener) return SYN_SENT;
      return segment->syn && segment->ack ? SYN_RECEIVED : CLOSED;
    case SYN_RECEIVED:
      return from_opener && segment->ack ? ESTABLISHED : SYN_RECEIVED;
    case ESTABLISHED:
      if (!segment->fin) return ESTABLISHED;
      return from_opener ? FIN_WAIT : CLOSE_WAIT;
    case FIN_WAIT:
      return segment->fin && !from_opener ? LAST_ACK : FIN_WAIT;
    case CLOSE_WAIT:
      return segment->fin && from_opener ? LAST_ACK : CLOSE_WAIT;
    case LAST_ACK:
      return segment->ack ? TIME_WAIT : LAST_ACK;
    default:
      return state;
  }
}

static __always_inline int track(const struct connection_key* key, const struct segment* segment, bool from_low,
                                 __u64 bytes) {
  struct connection* connection = bpf_map_lookup_elem(&table, key);
  if (!connection) {
    if (key->protocol == IPPROTO_TCP && !segment->syn) return XDP_DROP;
    struct connection fresh = {.opener = from_low};
    if (bpf_map_update_elem(&table, key, &fresh, BPF_NOEXIST)) return XDP_DROP;
    connection = bpf_map_lookup_elem(&table, key);
    if (!connection) return XDP_DROP;
  }
  __u64 now = bpf_ktime_get_ns();
  int verdict = XDP_PASS;
  bpf_spin_lock(&connection->lock);
  int side = from_low ? 0 : 1;
  if (now - connection->last_seen > 300000000000ULL && connection->state != NEW) {
    connection->state = NEW;
    connection->opener = from_low;
  }
  if (key->protocol == IPPROTO_TCP) {
    __u8 before = connection->state;
    if (before == CLOSED && !segment->syn) {
      bpf_spin_unlock(&connection->lock);
      return XDP_DROP;
    }
    connection->state = next_state(before == CLOSED ? NEW : before, segment, connection->opener == from_low);
    if (before == ESTABLISHED && segment->sequence - connection->next_sequence[side] > 1U << 30) verdict = XDP_DROP;
    connection->next_sequence[side] = segment->sequence;
  }
  connection->packets[side]++;
  connection->bytes[side] += bytes;
  connection->last_seen = now;
  bpf_spin_unlock(&connection->lock);
  return verdict;
}

SEC("xdp")
int conntrack(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol)) return XDP_DROP;
  struct address source, destination;
  __u8 transport;
  if (protocol == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = take_ipv4(&cursor);
    if (!ip || is_fragment(ip)) return XDP_DROP;
    source = address_of_ipv4(ip->saddr);
    destination = address_of_ipv4(ip->daddr);
    transport = ip->protocol;
  } else if (protocol == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr* ip = take_ipv6(&cursor);
    if (!ip) return XDP_DROP;
    source = address_of_ipv6(&ip->saddr);
    destination = address_of_ipv6(&ip->daddr);
    transport = ip->nexthdr;
  } else {
    return XDP_PASS;
  }
  struct segment segment = {};
  __be16 source_port, destination_port;
  if (transport == IPPROTO_TCP) {
    struct tcphdr* tcp = cursor_take(&cursor, struct tcphdr);
    if (!tcp) return XDP_DROP;
    segment = (struct segment){bpf_ntohl(tcp->seq), tcp->syn, tcp->ack, tcp->fin, tcp->rst};
    source_port = tcp->source;
    destination_port = tcp->dest;
  } else if (transport == IPPROTO_UDP) {
    struct udphdr* udp = cursor_take(&cursor, struct udphdr);
    if (!udp) return XDP_DROP;
    source_port = udp->source;
    destination_port = udp->dest;
  } else {
    return XDP_PASS;
  }
  int order = compare(&source, &destination);
  bool from_low = order < 0 || (order == 0 && source_port < destination_port);
  struct connection_key key = {.protocol = transport};
  key.low = from_low ? source : destination;
  key.high = from_low ? destination : source;
  key.low_port = from_low ? source_port : destination_port;
  key.high_port = from_low ? destination_port : source_port;
  return count_verdict(track(&key, &segment, from_low, frame_length(ctx)), frame_length(ctx));
}

char LICENSE[] SEC("license") = "GPL";
