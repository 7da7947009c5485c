// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Answers an IPv4 packet that is too long with ICMP "fragmentation needed" (RFC 792; next-hop MTU: RFC 1191).
//
//   before  | Ethernet | IPv4 | options, L4, payload ...                          |
//   after   | Ethernet | IPv4 | ICMP | the first QUOTED_BYTES of the packet above |
//
// The tail is cut behind the quotation, the head grows by two headers. Everything else passes. No ICMP error answers an
// ICMP message, a later fragment or a packet to a group (RFC 1122, 3.2.2).
//
// Tested by: its rows of matrix.txt.

#include "checksum.h"
#include "icmp.h"
#include "verdicts.h"

#define QUOTED_BYTES 68  // the longest IPv4 header and eight bytes of what it carries

// The parts of the answer.
struct reply {
  struct ethernet_header* ethernet;
  struct iphdr* ip;
  struct icmp_header* icmp;
  const struct iphdr* quoted;
};

#define HEAD_GROWTH ((int)(sizeof(struct iphdr) + sizeof(struct icmp_header)))

const volatile __u32 max_length = 600;  // of a whole frame
const volatile __u16 next_hop_mtu = 576;

static __always_inline bool deserves_error(const struct iphdr* ip) {
  return ip->version == 4 && ip->protocol != IPPROTO_ICMP && !(ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET)) &&
         !IN_MULTICAST(bpf_ntohl(ip->daddr));
}

static __always_inline bool is_too_long(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet || ethernet->protocol != bpf_htons(ETH_P_IP)) return false;
  struct iphdr* ip = cursor_take(&cursor, struct iphdr);
  return ip && frame_length(ctx) > max_length && deserves_error(ip);
}

// Leaves the quotation in its place, and in front of it room for the answer's headers.
static __always_inline bool make_room(struct xdp_md* ctx) {
  int surplus = frame_length(ctx) - sizeof(struct ethernet_header) - QUOTED_BYTES;
  return !bpf_xdp_adjust_tail(ctx, -surplus) && !bpf_xdp_adjust_head(ctx, -HEAD_GROWTH);
}

static __always_inline bool find_parts(struct xdp_md* ctx, struct reply* reply) {
  struct cursor cursor = cursor_at_start(ctx);
  if (!(reply->ethernet = cursor_take(&cursor, struct ethernet_header))) return false;
  if (!(reply->ip = cursor_take(&cursor, struct iphdr))) return false;
  if (!(reply->icmp = cursor_take(&cursor, struct icmp_header))) return false;
  reply->quoted = cursor.position;
  return cursor_skip(&cursor, QUOTED_BYTES);
}

static __always_inline void fill_ethernet(const struct reply* reply) {
  const struct ethernet_header* old = (void*)reply->ethernet + HEAD_GROWTH;
  reply->ethernet->destination = old->source;
  reply->ethernet->source = old->destination;
  reply->ethernet->protocol = bpf_htons(ETH_P_IP);
}

static __always_inline void fill_ip(const struct reply* reply) {
  *reply->ip = (struct iphdr){
      .version = 4,
      .ihl = sizeof(struct iphdr) / 4,
      .tot_len = bpf_htons(HEAD_GROWTH + QUOTED_BYTES),
      .ttl = DEFAULT_TTL,
      .protocol = IPPROTO_ICMP,
      .saddr = reply->quoted->daddr,
      .daddr = reply->quoted->saddr,
  };
  reply->ip->check = ipv4_checksum(reply->ip);
}

static __always_inline void fill_icmp(const struct reply* reply) {
  *reply->icmp = (struct icmp_header){
      .type = ICMP_DESTINATION_UNREACHABLE,
      .code = ICMP_FRAGMENTATION_NEEDED,
      .next_hop_mtu = bpf_htons(next_hop_mtu),
  };
  __s64 sum = bpf_csum_diff(NULL, 0, (__be32*)reply->icmp, sizeof(*reply->icmp) + QUOTED_BYTES, 0);
  reply->icmp->checksum = checksum_fold(sum);
}

SEC("xdp")
int xdp_adjust_tail(struct xdp_md* ctx) {
  __u64 bytes = frame_length(ctx);
  struct reply reply;
  if (!is_too_long(ctx)) return count_verdict(XDP_PASS, bytes);
  if (!make_room(ctx) || !find_parts(ctx, &reply)) return count_verdict(XDP_DROP, bytes);
  fill_ethernet(&reply);
  fill_ip(&reply);
  fill_icmp(&reply);
  return count_verdict(XDP_TX, bytes);
}

char LICENSE[] SEC("license") = "GPL";
