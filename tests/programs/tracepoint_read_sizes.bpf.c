// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// How much read(2) gives: a histogram by powers of two, and the errors beside it.
#include <linux/types.h>
// types before what uses them
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

// /sys/kernel/tracing/events/syscalls/sys_exit_read/format
struct sys_exit {
  __u64 common;
  __s32 number;
  __u32 padding;
  __s64 result;
};

#define SLOTS 32

struct histogram {
  __u64 sizes[SLOTS];  // slot n: 2^n bytes or more, less than twice that; slot 0: 0 and 1
  __u64 errors;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct histogram);
} reads SEC(".maps");

static __always_inline __u32 slot_of(__u64 size) {
  __u32 slot = 0;

#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    if (size >> step) {
      size >>= step;
      slot += step;
    }
  }
  return slot;
}

SEC("tracepoint/syscalls/sys_exit_read")
int tracepoint_read_sizes(struct sys_exit* ctx) {
  __u32 zero = 0, slot;
  struct histogram* histogram = bpf_map_lookup_elem(&reads, &zero);

  if (!histogram) return 0;
  if (ctx->result < 0) {
    __sync_fetch_and_add(&histogram->errors, 1);
    return 0;
  }
  slot = slot_of(ctx->result);
  if (slot < SLOTS) __sync_fetch_and_add(&histogram->sizes[slot], 1);
  return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
