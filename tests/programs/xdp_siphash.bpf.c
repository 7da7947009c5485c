// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// SipHash-2-4 of the 64 bytes behind the Ethernet header (IP addresses, ports, the beginning of the payload), with a
// key that senders do not know: what flow tables and SYN cookies are keyed by. Shorter frames pass.
//
// Tested by: its rows of matrix.txt.
#include "answer.h"

#define HASHED_WORDS 8
#define KEY_LOW 0x0706050403020100ull  // the key of the paper's test vectors
#define KEY_HIGH 0x0f0e0d0c0b0a0908ull

struct hashed {
  u64_view words[HASHED_WORDS];
};

struct state {
  __u64 v0, v1, v2, v3;
};

static __always_inline __u64 rotate(__u64 value, int bits) { return value << bits | value >> (64 - bits); }

static __always_inline void round(struct state* state) {
  state->v0 += state->v1;
  state->v2 += state->v3;
  state->v1 = rotate(state->v1, 13) ^ state->v0;
  state->v3 = rotate(state->v3, 16) ^ state->v2;
  state->v0 = rotate(state->v0, 32);
  state->v2 += state->v1;
  state->v0 += state->v3;
  state->v1 = rotate(state->v1, 17) ^ state->v2;
  state->v3 = rotate(state->v3, 21) ^ state->v0;
  state->v2 = rotate(state->v2, 32);
}

static __always_inline void absorb(struct state* state, __u64 word) {
  state->v3 ^= word;
  round(state);
  round(state);
  state->v0 ^= word;
}

static __always_inline __u64 siphash(const struct hashed* hashed) {
  struct state state = {
      .v0 = KEY_LOW ^ 0x736f6d6570736575ull,
      .v1 = KEY_HIGH ^ 0x646f72616e646f6dull,
      .v2 = KEY_LOW ^ 0x6c7967656e657261ull,
      .v3 = KEY_HIGH ^ 0x7465646279746573ull,
  };
#pragma clang loop unroll(disable)
  for (int i = 0; i < HASHED_WORDS; i++) absorb(&state, hashed->words[i]);
  absorb(&state, (__u64)sizeof(*hashed) << 56);
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; i++) round(&state);
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

SEC("xdp")
int xdp_siphash(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  struct hashed* hashed = cursor_take(&cursor, struct hashed);
  return hashed ? answer(ethernet, siphash(hashed)) : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
