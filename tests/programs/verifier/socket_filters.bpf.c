// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Socket filters: legacy loads relative to the packet, absolute and by an index register, which end the program where
// the packet ends and clobber r1-r5; and the same by skb_load_bytes, with a loop over headers.
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>

#include "ip.h"

unsigned long long load_byte(void* skb, unsigned long long offset) asm("llvm.bpf.load.byte");
unsigned long long load_half(void* skb, unsigned long long offset) asm("llvm.bpf.load.half");
unsigned long long load_word(void* skb, unsigned long long offset) asm("llvm.bpf.load.word");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, __u64);
} bytes_by_protocol SEC(".maps");

struct key {
  __u32 source, destination;
  __u16 source_port, destination_port;
  __u8 protocol, padding[3];
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 4096);
  __type(key, struct key);
  __type(value, __u64);
} flows SEC(".maps");

SEC("socket")
int legacy(struct __sk_buff* skb) {
  __u32 offset = sizeof(struct ethernet_header);
  __u16 protocol = load_half(skb, 12);
  if (protocol == ETH_P_8021Q) {
    protocol = load_half(skb, 16);
    offset += 4;
  }
  if (protocol != ETH_P_IP) return 0;
  __u32 index = load_byte(skb, offset + offsetof(struct iphdr, protocol));
  __u64* bytes = bpf_map_lookup_elem(&bytes_by_protocol, &index);
  if (bytes) __sync_fetch_and_add(bytes, skb->len);
  struct key key = {};
  key.protocol = index;
  key.source = load_word(skb, offset + offsetof(struct iphdr, saddr));
  key.destination = load_word(skb, offset + offsetof(struct iphdr, daddr));
  offset += (load_byte(skb, offset) & 0xf) << 2;
  if (index == IPPROTO_TCP || index == IPPROTO_UDP) {
    key.source_port = load_half(skb, offset);
    key.destination_port = load_half(skb, offset + 2);
  }
  __u64 one = 1;
  __u64* count = bpf_map_lookup_elem(&flows, &key);
  if (count) {
    __sync_fetch_and_add(count, 1);
  } else {
    bpf_map_update_elem(&flows, &key, &one, BPF_ANY);
  }
  return key.destination_port == 53 ? -1 : 0;
}

SEC("socket")
int by_helper(struct __sk_buff* skb) {
  __u8 next = 0;
  __u32 offset = sizeof(struct ethernet_header);
  if (skb->protocol != bpf_htons(ETH_P_IPV6)) return 0;
  if (bpf_skb_load_bytes(skb, offset + offsetof(struct ipv6hdr, nexthdr), &next, 1)) return 0;
  offset += sizeof(struct ipv6hdr);
#pragma clang loop unroll(disable)
  for (int i = 0; i < 6; i++) {
    __u8 head[2];
    if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS && next != IPPROTO_ROUTING) break;
    if (bpf_skb_load_bytes(skb, offset, head, sizeof(head))) return 0;
    next = head[0];
    offset += (head[1] + 1) * 8;
  }
  struct ports ports;
  if (bpf_skb_load_bytes(skb, offset, &ports, sizeof(ports))) return 0;
  return ports.destination == bpf_htons(443) ? skb->len : 0;
}

struct http {
  char text[64];
};

// A request line copied in pieces of variable length: what is known of the length must reach the helper.
SEC("socket")
int request_line(struct __sk_buff* skb) {
  struct http http = {};
  __u32 offset = sizeof(struct ethernet_header) + sizeof(struct iphdr) + sizeof(struct tcphdr);
  __u32 left = skb->len;
  if (left <= offset) return 0;
  left -= offset;
  if (left > sizeof(http.text)) left = sizeof(http.text);
  asm volatile("" : "+r"(left));
  if (left == 0 || left > sizeof(http.text)) return 0;
  if (bpf_skb_load_bytes(skb, offset, http.text, left)) return 0;
  int spaces = 0;
#pragma clang loop unroll(disable)
  for (int i = 0; i < 12; i++) spaces += http.text[i] == ' ';
  return spaces >= 2 && http.text[0] == 'G' ? -1 : 0;
}

char LICENSE[] SEC("license") = "GPL";
