// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A cursor walks a frame from its first byte to data_end, header by header.
//
// Why: each step makes its own bounds check, in the one form that verifiers recognise (position + size against
// data_end), so that no program here can forget it. Invariant: every byte before `position` has been proved to lie in
// the frame. Tested by: every program of tests/programs on captures/mixed.pcap, which cuts frames at each header
// boundary.
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

struct cursor {
  void* position;
  void* end;
};

// Clang must be told that no frame starts at address 0, or it tests for that: `data` has 32 bits, the pointer 64.
static __always_inline void* frame_start(const struct xdp_md* ctx) {
  void* start = (void*)(long)ctx->data;
  __builtin_assume(start != NULL);
  return start;
}

static __always_inline void* frame_end(const struct xdp_md* ctx) { return (void*)(long)ctx->data_end; }

static __always_inline __u64 frame_length(const struct xdp_md* ctx) { return frame_end(ctx) - frame_start(ctx); }

static __always_inline struct cursor cursor_at_start(const struct xdp_md* ctx) {
  return (struct cursor){.position = frame_start(ctx), .end = frame_end(ctx)};
}

// Moves past `size` bytes; false, and no move, where the frame ends before.
static __always_inline bool cursor_skip(struct cursor* cursor, __u32 size) {
  if (cursor->position + size > cursor->end) return false;
  cursor->position += size;
  return true;
}

// The header at the cursor, which moves past it; NULL where the frame ends inside it.
#define cursor_take(cursor, type)                               \
  ({                                                            \
    type* taken_ = (cursor)->position;                          \
    cursor_skip((cursor), sizeof(type)) ? taken_ : (type*)NULL; \
  })
