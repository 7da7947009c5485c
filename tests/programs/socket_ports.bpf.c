// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A packet socket's filter, in the way of the old BPF: legacy loads (LD_ABS, LD_IND), which end the program with "drop"
// where the packet is too short. DNS is taken whole, other UDP and TCP up to the transport header, the rest not at all.
//
// Tested by: its rows of matrix.txt.
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <stddef.h>

#include <bpf/bpf_helpers.h>

#include "counter.h"

unsigned long long load_byte(void* skb, unsigned long long offset) asm("llvm.bpf.load.byte");
unsigned long long load_half(void* skb, unsigned long long offset) asm("llvm.bpf.load.half");

#define NETWORK(offset) (SKF_NET_OFF + (int)(offset))
#define DNS 53
#define WHOLE 0xffff
#define TRANSPORT_BYTES 20

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, struct counter);
} protocols SEC(".maps");

SEC("socket")
int socket_ports(struct __sk_buff* skb) {
  if (load_half(skb, SKF_LL_OFF + offsetof(struct ethhdr, h_proto)) != ETH_P_IP) return 0;
  __u32 header = (load_byte(skb, NETWORK(0)) & 15) * 4;
  __u32 protocol = load_byte(skb, NETWORK(offsetof(struct iphdr, protocol)));
  struct counter* counter = bpf_map_lookup_elem(&protocols, &protocol);
  if (counter) count_shared(counter, skb->len);
  if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) return 0;
  __u32 source = load_half(skb, header);
  __u32 destination = load_half(skb, header + 2);
  if (protocol == IPPROTO_UDP && (source == DNS || destination == DNS)) return WHOLE;
  return header + TRANSPORT_BYTES;
}

char LICENSE[] SEC("license") = "GPL";
