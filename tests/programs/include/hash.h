// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A 32-bit hash of a few words: multiply, rotate and xor per word, then a finalizer in which every input bit reaches
// every output bit. Not for use against an adversary who may choose the input: it has no key.
//
// Tested by: xdp_lb, whose choice of real server must agree on every engine.
#pragma once

#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "views.h"

static __always_inline __u32 rotate_left(__u32 value, int bits) { return value << bits | value >> (32 - bits); }

static __always_inline __u32 hash_words(const u32_view* words, int count, __u32 seed) {
  __u32 hash = seed;
#pragma unroll
  for (int i = 0; i < count; i++) hash = rotate_left(hash ^ words[i] * 0x9e3779b1u, 13) * 0x85ebca77u;
  hash = (hash ^ hash >> 15) * 0x2c1b3c6du;
  hash = (hash ^ hash >> 12) * 0x297a2d39u;
  return hash ^ hash >> 15;
}
