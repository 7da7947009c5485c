// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A stateful firewall: hosts of the inside network open flows, and from outside only the answers come in.
//
//   inside  ──▶ any TCP or UDP packet opens its flow ──▶ pass
//   outside ──▶ flow known? ── yes ──▶ pass
//                           └─ no ───▶ drop ("unsolicited")
//
// A TCP reset closes its flow, from either side. ARP passes; other protocols and fragments, which have no ports, drop.
// Which side a packet comes from is told by its source address, so that one capture can hold both. The key of `flows`
// is written from the inside host's view: both directions find the same entry.
//
// Tested by: its rows of matrix.txt.
#include <linux/tcp.h>

#include "counter.h"
#include "ip.h"

enum flow_protocol {
  TCP = IPPROTO_TCP,
  UDP = IPPROTO_UDP,
};

struct flow {
  __u8 inside[4];
  __u8 outside[4];
  __u16 inside_port;
  __u16 outside_port;
  enum flow_protocol protocol;
};

struct flow_state {
  struct counter sent;      // from inside
  struct counter received;  // from outside
};

// One counter for each reason that a packet can pass or drop for.
struct firewall_stats {
  struct counter pass_arp;
  struct counter pass_opened;
  struct counter pass_outgoing;
  struct counter pass_answer;
  struct counter drop_unsolicited;
  struct counter drop_table_full;
  struct counter drop_fragment;
  struct counter drop_protocol;
  struct counter drop_malformed;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, struct flow);
  __type(value, struct flow_state);
} flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct firewall_stats);
} stats SEC(".maps");

const volatile __u32 inside_network = 0x0a000000;  // 10.0.0.0/8
const volatile __u32 inside_mask = 0xff000000;

// What one packet is judged by.
struct packet {
  struct flow flow;
  __u64 bytes;
  bool from_inside;
  bool is_reset;
};

static __always_inline int pass(struct counter* reason, const struct packet* packet) {
  count_shared(reason, packet->bytes);
  return XDP_PASS;
}

static __always_inline int drop(struct counter* reason, const struct packet* packet) {
  count_shared(reason, packet->bytes);
  return XDP_DROP;
}

static __always_inline void orient(struct packet* packet, const struct iphdr* ip, const struct ports* ports) {
  struct flow* flow = &packet->flow;
  bool from_inside = (bpf_ntohl(ip->saddr) & inside_mask) == inside_network;
  packet->from_inside = from_inside;
  __builtin_memcpy(flow->inside, from_inside ? &ip->saddr : &ip->daddr, sizeof(flow->inside));
  __builtin_memcpy(flow->outside, from_inside ? &ip->daddr : &ip->saddr, sizeof(flow->outside));
  flow->inside_port = bpf_ntohs(from_inside ? ports->source : ports->destination);
  flow->outside_port = bpf_ntohs(from_inside ? ports->destination : ports->source);
  flow->protocol = ip->protocol;
}

static __always_inline int judge_known(struct packet* packet, struct flow_state* state, struct firewall_stats* counts) {
  count_shared(packet->from_inside ? &state->sent : &state->received, packet->bytes);
  if (packet->is_reset) bpf_map_delete_elem(&flows, &packet->flow);
  return pass(packet->from_inside ? &counts->pass_outgoing : &counts->pass_answer, packet);
}

static __always_inline int judge_new(struct packet* packet, struct firewall_stats* counts) {
  if (!packet->from_inside) return drop(&counts->drop_unsolicited, packet);
  if (packet->is_reset) return pass(&counts->pass_outgoing, packet);
  struct flow_state state = {.sent = {.packets = 1, .bytes = packet->bytes}};
  if (bpf_map_update_elem(&flows, &packet->flow, &state, BPF_NOEXIST)) return drop(&counts->drop_table_full, packet);
  return pass(&counts->pass_opened, packet);
}

static __always_inline int judge_ipv4(struct packet* packet, struct cursor* cursor, struct firewall_stats* counts) {
  struct iphdr* ip = take_ipv4(cursor);
  if (!ip) return drop(&counts->drop_malformed, packet);
  if (is_fragment(ip)) return drop(&counts->drop_fragment, packet);
  if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP) return drop(&counts->drop_protocol, packet);

  struct cursor transport = *cursor;
  struct ports* ports = cursor_take(cursor, struct ports);
  if (!ports) return drop(&counts->drop_malformed, packet);
  if (ip->protocol == IPPROTO_TCP) {
    struct tcphdr* tcp = cursor_take(&transport, struct tcphdr);
    if (!tcp) return drop(&counts->drop_malformed, packet);
    packet->is_reset = tcp->rst;
  }
  orient(packet, ip, ports);
  struct flow_state* state = bpf_map_lookup_elem(&flows, &packet->flow);
  return state ? judge_known(packet, state, counts) : judge_new(packet, counts);
}

SEC("xdp")
int xdp_simple_firewall(struct xdp_md* ctx) {
  __u32 zero = 0;
  struct firewall_stats* counts = bpf_map_lookup_elem(&stats, &zero);
  if (!counts) return XDP_ABORTED;
  struct packet packet = {.bytes = frame_length(ctx)};
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol)) return drop(&counts->drop_malformed, &packet);
  if (protocol == bpf_htons(ETH_P_ARP)) return pass(&counts->pass_arp, &packet);
  if (protocol != bpf_htons(ETH_P_IP)) return drop(&counts->drop_protocol, &packet);
  return judge_ipv4(&packet, &cursor, counts);
}

char LICENSE[] SEC("license") = "GPL";
