// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Walkers over lists of variable length inside a header: VLAN tags of any depth, IPv4 options, TCP options, Geneve
// options. Each keeps a pointer whose offset is only known as a range, and checks every byte against the packet's end.
#include <linux/tcp.h>
#include <linux/udp.h>

#include "ip.h"
#include "verdicts.h"

#define IPV4_OPTION_END 0
#define IPV4_OPTION_NOP 1
#define IPV4_OPTION_ROUTER_ALERT 148
#define TCP_OPTION_MSS 2
#define TCP_OPTION_WINDOW 3
#define TCP_OPTION_SACK 4
#define TCP_OPTION_TIMESTAMP 8

struct tcp_options {
  __u32 timestamp, echo;
  __u16 mss;
  __u8 window;
  __u8 flags;
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1024);
  __type(key, __be32);
  __type(value, struct tcp_options);
} seen SEC(".maps");

SEC("xdp")
int vlan_stack(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  __be16 protocol = ethernet->protocol;
  __u16 ids[8] = {};
  int depth = 0;
#pragma clang loop unroll(disable)
  for (; depth < 8 && is_vlan(protocol); depth++) {
    struct vlan_tag* tag = cursor_take(&cursor, struct vlan_tag);
    if (!tag) return XDP_DROP;
    ids[depth] = bpf_ntohs(tag->control) & VLAN_ID_MASK;
    protocol = tag->protocol;
  }
  __u32 sum = 0;
  for (int i = 0; i < 8; i++) sum += ids[i];
  return count_verdict(sum > 4096 ? XDP_DROP : XDP_PASS, depth);
}

SEC("xdp")
int ipv4_options(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol) || protocol != bpf_htons(ETH_P_IP)) return XDP_PASS;
  struct iphdr* ip = cursor_take(&cursor, struct iphdr);
  if (!ip || ip->ihl < 5) return XDP_DROP;
  __u32 left = ip->ihl * 4 - sizeof(*ip);
  __u8* option = cursor.position;
  bool alert = false;
#pragma clang loop unroll(disable)
  for (int i = 0; i < 9 && left > 0; i++) {
    if ((void*)(option + 1) > cursor.end) return XDP_DROP;
    if (*option == IPV4_OPTION_END) break;
    if (*option == IPV4_OPTION_NOP) {
      option++;
      left--;
      continue;
    }
    if ((void*)(option + 2) > cursor.end) return XDP_DROP;
    __u8 length = option[1];
    if (length < 2 || length > left) return XDP_DROP;
    if (*option == IPV4_OPTION_ROUTER_ALERT) alert = true;
    option += length;
    left -= length;
  }
  return count_verdict(alert ? XDP_PASS : XDP_DROP, left);
}

// One option at `cursor`; false where the list ends.
static __always_inline bool tcp_option(__u8** at, __u8* end, void* data_end, struct tcp_options* found) {
  __u8* option = *at;
  if (option >= end || (void*)(option + 1) > data_end) return false;
  if (*option == 0) return false;
  if (*option == 1) {
    *at = option + 1;
    return true;
  }
  if (option + 2 > end || (void*)(option + 2) > data_end) return false;
  __u8 length = option[1];
  if (length < 2) return false;
  if (*option == TCP_OPTION_MSS && length == 4 && option + 4 <= end && (void*)(option + 4) <= data_end) {
    found->mss = option[2] << 8 | option[3];
  } else if (*option == TCP_OPTION_WINDOW && length == 3 && option + 3 <= end && (void*)(option + 3) <= data_end) {
    found->window = option[2] > 14 ? 14 : option[2];
    found->flags |= 1;
  } else if (*option == TCP_OPTION_SACK) {
    found->flags |= 2;
  } else if (*option == TCP_OPTION_TIMESTAMP && length == 10 && option + 10 <= end &&
             (void*)(option + 10) <= data_end) {
    __builtin_memcpy(&found->timestamp, option + 2, 4);
    __builtin_memcpy(&found->echo, option + 6, 4);
    found->flags |= 4;
  }
  *at = option + length;
  return true;
}

static __always_inline int tcp_of(struct xdp_md* ctx, struct cursor* cursor, __be32* source, struct tcphdr** header) {
  __be16 protocol;
  *cursor = cursor_at_start(ctx);
  if (!take_ethernet(cursor, &protocol) || protocol != bpf_htons(ETH_P_IP)) return 0;
  struct iphdr* ip = take_ipv4(cursor);
  if (!ip || ip->protocol != IPPROTO_TCP) return 0;
  *source = ip->saddr;
  *header = cursor_take(cursor, struct tcphdr);
  return *header != NULL;
}

SEC("xdp")
int tcp_options_loop(struct xdp_md* ctx) {
  struct cursor cursor;
  struct tcphdr* tcp;
  __be32 source;
  if (!tcp_of(ctx, &cursor, &source, &tcp)) return XDP_PASS;
  struct tcp_options found = {};
  __u8* option = cursor.position;
  __u8* end = (__u8*)tcp + tcp->doff * 4;
#pragma clang loop unroll(disable)
  for (int i = 0; i < 5; i++) {
    if (!tcp_option(&option, end, cursor.end, &found)) break;
  }
  bpf_map_update_elem(&seen, &source, &found, BPF_ANY);
  return XDP_PASS;
}

SEC("xdp")
int tcp_options_unrolled(struct xdp_md* ctx) {
  struct cursor cursor;
  struct tcphdr* tcp;
  __be32 source;
  if (!tcp_of(ctx, &cursor, &source, &tcp)) return XDP_PASS;
  struct tcp_options found = {};
  __u8* option = cursor.position;
  __u8* end = (__u8*)tcp + tcp->doff * 4;
#define STEP tcp_option(&option, end, cursor.end, &found)
  bool whole = !(STEP && STEP && STEP && STEP && STEP);
  if (!whole) found.flags |= 0x80;
  bpf_map_update_elem(&seen, &source, &found, BPF_ANY);
  return XDP_PASS;
}

struct geneve {
  __u8 options : 6, version : 2;
  __u8 flags;
  __be16 protocol;
  __u8 vni[3];
  __u8 reserved;
};

struct geneve_option {
  __be16 class;
  __u8 type;
  __u8 length : 5, reserved : 3;
};

SEC("xdp")
int geneve_options(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol) || protocol != bpf_htons(ETH_P_IP)) return XDP_PASS;
  struct iphdr* ip = take_ipv4(&cursor);
  if (!ip || ip->protocol != IPPROTO_UDP) return XDP_PASS;
  struct udphdr* udp = cursor_take(&cursor, struct udphdr);
  if (!udp || udp->dest != bpf_htons(6081)) return XDP_PASS;
  struct geneve* geneve = cursor_take(&cursor, struct geneve);
  if (!geneve) return XDP_DROP;
  int left = geneve->options * 4;
  __u32 marks = 0;
#pragma clang loop unroll(disable)
  for (int i = 0; i < 16 && left > 0; i++) {
    struct cursor start = cursor;
    struct geneve_option* option = cursor_take(&cursor, struct geneve_option);
    if (!option) return XDP_DROP;
    int length = (option->length + 1) * 4;
    if (option->class == bpf_htons(0x0102) && length == 8) {
      __u32* mark = cursor_take(&cursor, __u32);
      if (!mark) return XDP_DROP;
      marks ^= *mark;
    }
    cursor = start;
    if (!cursor_skip(&cursor, length)) return XDP_DROP;
    left -= length;
  }
  return count_verdict(left ? XDP_DROP : XDP_PASS, marks);
}

char LICENSE[] SEC("license") = "GPL";
