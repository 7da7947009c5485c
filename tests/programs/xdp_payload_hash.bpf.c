// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The 32-bit MurmurHash3 of 1,500 bytes of payload: a long chain of multiplications and rotations, each of which waits
// for the one before. Shorter frames pass.
//
// Tested by: its rows of matrix.txt.
#include "answer.h"
#include "hash.h"
#include "payload.h"

static __always_inline __u32 mix(__u32 hash, __u32 word) {
  hash ^= rotate_left(word * 0xcc9e2d51u, 15) * 0x1b873593u;
  return rotate_left(hash, 13) * 5 + 0xe6546b64u;
}

static __always_inline __u32 finish(__u32 hash) {
  hash = (hash ^ hash >> 16) * 0x85ebca6bu;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
  return hash ^ hash >> 16;
}

SEC("xdp")
int xdp_payload_hash(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  struct payload* payload = cursor_take(&cursor, struct payload);
  if (!payload) return XDP_PASS;
  __u32 hash = 0;
  for (int i = 0; i < PAYLOAD_WORDS; i++) hash = mix(hash, payload->words[i]);
  return answer(ethernet, finish(hash ^ PAYLOAD_BYTES));
}

char LICENSE[] SEC("license") = "GPL";
