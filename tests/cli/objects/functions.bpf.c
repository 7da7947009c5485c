// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Global functions, each verified by its signature alone: numbers, memory that may be missing, the context.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define NONNULL __attribute__((btf_decl_tag("arg:nonnull")))

struct pair {
  __u32 a, b;
};

__attribute__((noinline)) int clamp(int value, int most) {
  if (value < 0) return 0;
  return value > most ? most : value;
}

__attribute__((noinline)) int sum(const struct pair* pair) {
  if (!pair) return -1;
  return pair->a + pair->b;
}

__attribute__((noinline)) int product(const struct pair* pair NONNULL) { return pair->a * pair->b; }

__attribute__((noinline)) int length(struct xdp_md* ctx) { return ctx->data_end - ctx->data; }

static __attribute__((noinline)) int twice(int value) { return 2 * value; }

SEC("xdp")
int calls_them_all(struct xdp_md* ctx) {
  struct pair pair = {.a = ctx->rx_queue_index, .b = 3};
  int number = twice(clamp(length(ctx), 1500)) + sum(&pair) + product(&pair);
  return number > 100 ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
