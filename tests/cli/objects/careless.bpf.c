// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Programs that some options refuse and others let pass: a loop, and a stack byte that nobody wrote.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int loops(struct xdp_md* ctx) {
  __u32 sum = 0;
  for (__u32 i = 0; i < 100; i++) {
    sum += i * ctx->rx_queue_index;
    asm volatile("" : "+r"(sum));
  }
  return sum & 1 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int reads_what_nobody_wrote(struct xdp_md* ctx) {
  __u64 value;
  (void)ctx;
  asm volatile("%0 = *(u64 *)(r10 - 8)" : "=r"(value));
  return value ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
