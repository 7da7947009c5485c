// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Nothing at all: what an engine costs before a program does anything. The benches subtract it.
//
// Tested by: its rows of matrix.txt.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int empty(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
