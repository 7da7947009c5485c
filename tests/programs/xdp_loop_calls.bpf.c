// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Checks the checksum of every TCP and UDP packet, and drops the bad ones: bounded loops, and calls between functions
// of both kinds.
//
//   skip_extensions   static, loops over IPv6 extension headers. The verifier follows each call into it, with what it
//                     knows of the arguments: they may point into the packet
//   sum_bytes         global, loops over up to MAX_SUMMED bytes. The verifier judges it once, by its signature alone:
//                     the long loop is not walked again for each way that leads to it, but only numbers and ctx go in
//   record_outcome    global too, since it may
//
// Packets of which only a part is here (fragments), or that are too long to sum, pass unchecked.
//
// Tested by: captures/mixed.pcap (wrong and absent checksums, up to 40 extensions), lb.pcap, imix.pcap, large.pcap.
#include <linux/udp.h>

#include "checksum.h"

#define MAX_EXTENSIONS 8
#define MAX_SUMMED 1480
#define MAX_OFFSET 4096

enum outcome {
  OUTCOME_GOOD,
  OUTCOME_BAD,
  OUTCOME_ABSENT,     // UDP over IPv4 may do without
  OUTCOME_UNCHECKED,  // another protocol, a fragment, too long
  OUTCOME_CUT_SHORT,
  OUTCOMES,
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, OUTCOMES);
  __type(key, __u32);
  __type(value, __u64);
} outcomes SEC(".maps");

// Where the transport header is, how long it and its payload are, and the sum of the pseudo-header's addresses.
struct transport {
  struct cursor cursor;
  __u64 sum;
  __u32 length;
  __u8 protocol;
  bool is_ipv4;
};

__noinline int record_outcome(__u32 outcome) {
  __u64* packets = bpf_map_lookup_elem(&outcomes, &outcome);
  if (packets) ++*packets;
  return outcome == OUTCOME_BAD || outcome == OUTCOME_CUT_SHORT ? XDP_DROP : XDP_PASS;
}

// The sum of `length` bytes of the frame as 16-bit words; negative where the frame ends before.
__noinline int sum_bytes(struct xdp_md* ctx, __u32 offset, __u32 length) {
  struct cursor cursor = cursor_at_start(ctx);
  int sum = 0;
  if (offset > MAX_OFFSET || !cursor_skip(&cursor, offset)) return -1;
  for (__u32 i = 0; i < MAX_SUMMED / 2 && i < length / 2; i++) {
    u16_view* word = cursor_take(&cursor, u16_view);
    if (!word) return -1;
    sum += *word;
    barrier_var(cursor.position);  // or clang compares with data_end + 1, which verifiers do not allow
  }
  if (length % 2 == 0) return sum;
  __u8* last = cursor_take(&cursor, __u8);
  return last ? sum + bpf_htons(*last << 8) : -1;
}

static __noinline enum outcome find_ipv4(struct transport* found) {
  struct iphdr* ip = take_ipv4(&found->cursor);
  if (!ip || bpf_ntohs(ip->tot_len) < ip->ihl * 4) return OUTCOME_CUT_SHORT;
  if (is_fragment(ip)) return OUTCOME_UNCHECKED;
  found->length = bpf_ntohs(ip->tot_len) - ip->ihl * 4;
  found->protocol = ip->protocol;
  found->is_ipv4 = true;
  found->sum = (__u64)ip->saddr + ip->daddr;
  return OUTCOME_GOOD;
}

static __noinline bool is_extension(__u8 protocol) {
  return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_ROUTING;
}

static __noinline enum outcome skip_extensions(struct transport* found) {
  for (int i = 0; i < MAX_EXTENSIONS && is_extension(found->protocol); i++) {
    struct cursor start = found->cursor;
    struct ipv6_opt_hdr* extension = cursor_take(&found->cursor, struct ipv6_opt_hdr);
    if (!extension) return OUTCOME_CUT_SHORT;
    __u32 size = (extension->hdrlen + 1) * 8;
    __u8 next = extension->nexthdr;
    found->cursor = start;
    if (!cursor_skip(&found->cursor, size) || size > found->length) return OUTCOME_CUT_SHORT;
    found->length -= size;
    found->protocol = next;
  }
  return OUTCOME_GOOD;
}

static __noinline enum outcome find_ipv6(struct transport* found) {
  struct ipv6hdr* ip = take_ipv6(&found->cursor);
  if (!ip) return OUTCOME_CUT_SHORT;
  const u32_view* addresses = (const u32_view*)&ip->saddr;
  for (int i = 0; i < 8; i++) found->sum += addresses[i];
  found->length = bpf_ntohs(ip->payload_len);
  found->protocol = ip->nexthdr;
  return skip_extensions(found);
}

static __noinline bool has_no_checksum(const struct transport* found) {
  struct cursor cursor = found->cursor;
  if (!found->is_ipv4 || found->protocol != IPPROTO_UDP) return false;
  struct udphdr* udp = cursor_take(&cursor, struct udphdr);
  return udp && !udp->check;
}

static __always_inline enum outcome check_sum(struct xdp_md* ctx, const struct transport* found) {
  if (found->length > MAX_SUMMED) return OUTCOME_UNCHECKED;
  int sum = sum_bytes(ctx, found->cursor.position - frame_start(ctx), found->length);
  if (sum < 0) return OUTCOME_CUT_SHORT;
  __u64 pseudo_header = found->sum + bpf_htonl(found->length) + bpf_htons(found->protocol);
  return checksum_fold(pseudo_header + sum) ? OUTCOME_BAD : OUTCOME_GOOD;
}

static __noinline enum outcome judge(struct xdp_md* ctx) {
  struct transport found = {.cursor = cursor_at_start(ctx)};
  __be16 protocol;
  if (!take_ethernet(&found.cursor, &protocol)) return OUTCOME_CUT_SHORT;
  enum outcome outcome = OUTCOME_UNCHECKED;
  if (protocol == bpf_htons(ETH_P_IP)) outcome = find_ipv4(&found);
  if (protocol == bpf_htons(ETH_P_IPV6)) outcome = find_ipv6(&found);
  if (outcome != OUTCOME_GOOD) return outcome;
  if (found.protocol != IPPROTO_TCP && found.protocol != IPPROTO_UDP) return OUTCOME_UNCHECKED;
  return has_no_checksum(&found) ? OUTCOME_ABSENT : check_sum(ctx, &found);
}

SEC("xdp")
int xdp_loop_calls(struct xdp_md* ctx) { return record_outcome(judge(ctx)); }

char LICENSE[] SEC("license") = "GPL";
