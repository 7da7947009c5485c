// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// SYN cookies in XDP: a SYN is answered by a SYN-ACK that is built in place (the frame's tail grows or shrinks), an ACK
// is let through if its cookie is right. The TCP options are walked to find the timestamp; the answer's options are
// written at fixed places, its checksum is computed over a length that is only known as a range.
#include <linux/tcp.h>

#include "checksum.h"
#include "ip.h"
#include "verdicts.h"

#define COOKIE_BITS 3

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} secrets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8);
  __type(key, __be16);
  __type(value, __u16);
} open_ports SEC(".maps");

struct timestamp {
  __be32 value, echo;
};

static __always_inline __u64 secret(__u32 which) {
  __u64* word = bpf_map_lookup_elem(&secrets, &which);
  return word ? *word : 0;
}

static __always_inline __u32 cookie_of(const struct iphdr* ip, const struct tcphdr* tcp, __u64 minute) {
  __u64 hash = secret(0) ^ minute;
  hash = (hash ^ ip->saddr) * 0x9e3779b97f4a7c15ULL;
  hash = (hash ^ ip->daddr) * 0x9e3779b97f4a7c15ULL;
  hash = (hash ^ (__u32)tcp->source << 16 ^ tcp->dest) * 0x9e3779b97f4a7c15ULL;
  return hash >> 32;
}

static __always_inline bool find_timestamp(struct cursor cursor, __u32 left, struct timestamp* out) {
  __u8* option = cursor.position;
#pragma clang loop unroll(disable)
  for (int i = 0; i < 6 && left > 0; i++) {
    if ((void*)(option + 1) > cursor.end) return false;
    __u8 kind = *option;
    if (kind == 0) return false;
    if (kind == 1) {
      option++;
      left--;
      continue;
    }
    if ((void*)(option + 2) > cursor.end) return false;
    __u8 length = option[1];
    if (length < 2 || length > left || length > 40) return false;
    if (kind == 8 && length == 10) {
      if ((void*)(option + 10) > cursor.end) return false;
      __builtin_memcpy(out, option + 2, sizeof(*out));
      return true;
    }
    option += length;
    left -= length;
  }
  return false;
}

// Over at most 60 bytes of TCP header, two at a time.
static __always_inline __sum16 tcp_checksum(struct cursor cursor, const struct iphdr* ip, __u32 bytes) {
  __u64 sum = (ip->saddr >> 16) + (ip->saddr & 0xffff) + (ip->daddr >> 16) + (ip->daddr & 0xffff);
  sum += bpf_htons(IPPROTO_TCP) + bpf_htons(bytes);
#pragma clang loop unroll(disable)
  for (__u32 i = 0; i < 60; i += 2) {
    if (i >= bytes) break;
    __u16* word = cursor_take(&cursor, __u16);
    if (!word) return 0;
    sum += *word;
  }
  return checksum_fold(sum);
}

static __always_inline int answer(struct xdp_md* ctx, __u32 cookie, const struct timestamp* timestamp) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  struct iphdr* ip = cursor_take(&cursor, struct iphdr);
  if (!ip) return XDP_DROP;
  struct cursor at_tcp = cursor;
  struct tcphdr* tcp = cursor_take(&cursor, struct tcphdr);
  if (!tcp) return XDP_DROP;
  __u8* options = cursor.position;
  if (!cursor_skip(&cursor, 20)) return XDP_DROP;
  swap_addresses(ethernet);
  __be32 address = ip->saddr;
  ip->saddr = ip->daddr;
  ip->daddr = address;
  ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(*tcp) + 20);
  ip->ttl = DEFAULT_TTL;
  ip->check = 0;
  ip->check = ipv4_checksum(ip);
  __be16 port = tcp->source;
  tcp->source = tcp->dest;
  tcp->dest = port;
  tcp->ack_seq = bpf_htonl(bpf_ntohl(tcp->seq) + 1);
  tcp->seq = bpf_htonl(cookie);
  tcp->doff = 10;
  tcp->ack = 1;
  tcp->window = 0;
  options[0] = 2;
  options[1] = 4;
  options[2] = 5;
  options[3] = 0xb4;
  options[4] = 8;
  options[5] = 10;
  __builtin_memcpy(options + 6, &timestamp->echo, 4);
  __builtin_memcpy(options + 10, &timestamp->value, 4);
  __builtin_memset(options + 14, 1, 6);
  tcp->check = 0;
  tcp->check = tcp_checksum(at_tcp, ip, sizeof(*tcp) + 20);
  return count_verdict(XDP_TX, frame_length(ctx));
}

SEC("xdp")
int syncookies(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol) || protocol != bpf_htons(ETH_P_IP)) return XDP_PASS;
  struct iphdr* ip = cursor_take(&cursor, struct iphdr);
  if (!ip || ip->ihl != 5 || ip->protocol != IPPROTO_TCP || is_fragment(ip)) return XDP_PASS;
  struct tcphdr* tcp = cursor_take(&cursor, struct tcphdr);
  if (!tcp || tcp->doff < 5) return XDP_DROP;
  __be16 port = tcp->dest;
  __u16* open = bpf_map_lookup_elem(&open_ports, &port);
  if (!open || !*open) return XDP_PASS;
  __u64 minute = bpf_ktime_get_ns() >> 36;
  if (tcp->ack && !tcp->syn) {
    __u32 cookie = bpf_ntohl(tcp->ack_seq) - 1;
    bool right = cookie == cookie_of(ip, tcp, minute) || cookie == cookie_of(ip, tcp, minute - 1);
    return count_verdict(right ? XDP_PASS : XDP_DROP, frame_length(ctx));
  }
  if (!tcp->syn || tcp->ack || tcp->fin || tcp->rst) return XDP_DROP;
  struct timestamp timestamp = {};
  find_timestamp(cursor, tcp->doff * 4 - sizeof(*tcp), &timestamp);
  __u32 cookie = cookie_of(ip, tcp, minute);
  int wanted = sizeof(struct ethernet_header) + sizeof(*ip) + sizeof(*tcp) + 20;
  if (bpf_xdp_adjust_tail(ctx, wanted - (int)frame_length(ctx))) return XDP_DROP;
  return answer(ctx, cookie, &timestamp);
}

char LICENSE[] SEC("license") = "GPL";
