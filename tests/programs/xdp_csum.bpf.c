// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Static network address and port translation for IPv4. The checksums follow by difference (bpf_csum_diff of the bytes
// before and after), so that no payload is read.
//
//   `sources`       endpoints inside, and what they look like from outside     (source rewritten)
//   `destinations`  endpoints as seen from outside, and what they are inside   (destination rewritten)
//
// Translated packets go back out of their port (TX), others pass. A UDP checksum of zero means "none" and stays.
//
// Tested by: its rows of matrix.txt.
#include <linux/tcp.h>
#include <linux/udp.h>

#include "checksum.h"

struct endpoint {
  __be32 address;
  __be16 port;
  __u16 protocol;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 256);
  __type(key, struct endpoint);
  __type(value, struct endpoint);
} sources SEC(".maps"), destinations SEC(".maps");

struct nat_stats {
  __u64 source_rewritten;
  __u64 destination_rewritten;
  __u64 without_checksum;
  __u64 passed;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct nat_stats);
} stats SEC(".maps");

// One packet's headers, and where its transport checksum stands.
struct packet {
  struct ethernet_header* ethernet;
  struct iphdr* ip;
  struct ports* ports;
  __sum16* check;
};

static __always_inline __sum16* take_checksum(struct cursor cursor, __u8 protocol) {
  if (protocol == IPPROTO_TCP) {
    struct tcphdr* tcp = cursor_take(&cursor, struct tcphdr);
    return tcp ? &tcp->check : NULL;
  }
  struct udphdr* udp = cursor_take(&cursor, struct udphdr);
  return protocol == IPPROTO_UDP && udp ? &udp->check : NULL;
}

static __always_inline bool parse(struct xdp_md* ctx, struct packet* packet) {
  struct cursor cursor = cursor_at_start(ctx);
  packet->ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!packet->ethernet || packet->ethernet->protocol != bpf_htons(ETH_P_IP)) return false;
  packet->ip = take_ipv4(&cursor);
  if (!packet->ip || is_fragment(packet->ip)) return false;
  packet->check = take_checksum(cursor, packet->ip->protocol);
  packet->ports = cursor_take(&cursor, struct ports);
  return packet->check && packet->ports;
}

static __always_inline __sum16 check_after(__sum16 check, struct endpoint* before, struct endpoint* after, __u32 size) {
  return checksum_fold(bpf_csum_diff((__be32*)before, size, (__be32*)after, size, (__u16)~check));
}

// The network header's checksum covers the address; the transport's covers address and port.
static __always_inline void fix_checksums(const struct packet* packet, struct endpoint* before, struct endpoint* after,
                                          struct nat_stats* counts) {
  packet->ip->check = check_after(packet->ip->check, before, after, sizeof(before->address));
  if (packet->ip->protocol == IPPROTO_UDP && !*packet->check) {
    counts->without_checksum++;
    return;
  }
  __sum16 check = check_after(*packet->check, before, after, sizeof(*before));
  *packet->check = check || packet->ip->protocol != IPPROTO_UDP ? check : 0xffff;
}

static __always_inline bool translate_source(const struct packet* packet, struct nat_stats* counts) {
  struct iphdr* ip = packet->ip;
  struct endpoint before = {.address = ip->saddr, .port = packet->ports->source, .protocol = ip->protocol};
  struct endpoint* after = bpf_map_lookup_elem(&sources, &before);
  if (!after) return false;
  counts->source_rewritten++;
  ip->saddr = after->address;
  packet->ports->source = after->port;
  fix_checksums(packet, &before, after, counts);
  return true;
}

static __always_inline bool translate_destination(const struct packet* packet, struct nat_stats* counts) {
  struct iphdr* ip = packet->ip;
  struct endpoint before = {.address = ip->daddr, .port = packet->ports->destination, .protocol = ip->protocol};
  struct endpoint* after = bpf_map_lookup_elem(&destinations, &before);
  if (!after) return false;
  counts->destination_rewritten++;
  ip->daddr = after->address;
  packet->ports->destination = after->port;
  fix_checksums(packet, &before, after, counts);
  return true;
}

SEC("xdp")
int xdp_csum(struct xdp_md* ctx) {
  __u32 zero = 0;
  struct nat_stats* counts = bpf_map_lookup_elem(&stats, &zero);
  if (!counts) return XDP_ABORTED;
  struct packet packet;
  if (parse(ctx, &packet) && (translate_source(&packet, counts) || translate_destination(&packet, counts))) {
    swap_addresses(packet.ethernet);
    return XDP_TX;
  }
  counts->passed++;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
