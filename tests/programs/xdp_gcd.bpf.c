// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The greatest common divisor of the source and the destination address, by Euclid's algorithm: divisions whose
// divisors nobody knows before. What is not IPv4 passes.
//
// Tested by: its rows of matrix.txt.
#include "answer.h"
#include "ip.h"

// Numbers of 32 bits that are neighbours in Fibonacci's sequence take 46 steps, and no others take more.
#define MAX_STEPS 46

static __always_inline __u32 gcd(__u32 a, __u32 b) {
  for (int step = 0; step < MAX_STEPS && b; step++) {
    __u32 rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

SEC("xdp")
int xdp_gcd(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  struct iphdr* ip = ethernet->protocol == bpf_htons(ETH_P_IP) ? cursor_take(&cursor, struct iphdr) : NULL;
  return ip ? answer(ethernet, gcd(bpf_ntohl(ip->saddr), bpf_ntohl(ip->daddr))) : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
