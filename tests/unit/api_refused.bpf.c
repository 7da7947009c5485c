// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A program that no verifier lets pass: it calls a helper that does not exist.
//
// Tested by: tests/unit/api_test.cc.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

static int (*no_such_helper)(void) = (void*)9999;

SEC("xdp")
int calls_what_is_not_there(struct xdp_md* ctx) {
  (void)ctx;
  return no_such_helper();
}

char LICENSE[] SEC("license") = "GPL";
