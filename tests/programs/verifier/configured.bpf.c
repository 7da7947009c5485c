// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A dispatcher configured by .rodata: features that are off leave branches that would not verify if they were alive
// (unchecked pointers, endless loops, calls that their arguments forbid). Only constants of a frozen map make them
// dead, so a verifier must read them. Sizes, masks and loop bounds come from constants as well.
#include "ip.h"
#include "verdicts.h"

#define FEATURE_BROKEN 0x01
#define FEATURE_COUNT 0x02
#define FEATURE_SAMPLE 0x04

struct settings {
  __u32 features;
  __u32 rounds;
  __u16 mask;
  __u8 levels[4];
  __u64 limits[8];
};

const volatile struct settings config = {
    .features = FEATURE_COUNT | FEATURE_SAMPLE,
    .rounds = 6,
    .mask = 0x3f,
    .levels = {1, 3, 5, 7},
    .limits = {64, 128, 256, 512, 1024, 1500, 9000, 65535},
};
const volatile bool use_null = false;
const volatile int sample_bytes = 32;

__u64 totals[64];
__u32 last_index;
static __u8 samples[64];

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} by_level SEC(".maps");

SEC("xdp")
int dispatcher(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  if (config.features & FEATURE_BROKEN) {
    __u8* byte = cursor.position;
    last_index = byte[200];  // not checked against the end
  }
  if (use_null) {
    __u32 key = 1;
    __u64* value = bpf_map_lookup_elem(&by_level, &key);
    *value = 1;  // may be null
  }
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol)) return XDP_DROP;
  __u32 index = bpf_ntohs(protocol) & config.mask;
  totals[index] += frame_length(ctx);
#pragma clang loop unroll(disable)
  for (__u32 i = 0; i < config.rounds; i++) {
    __u32 level = config.levels[i & 3];
    __u64* value = bpf_map_lookup_elem(&by_level, &level);
    if (value) *value += i;
  }
  __u64 length = frame_length(ctx);
#pragma clang loop unroll(disable)
  for (int i = 0; i < 8; i++) {
    if (length <= config.limits[i]) {
      last_index = i;
      break;
    }
  }
  return count_verdict(XDP_PASS, length);
}

// The features pick a parser; two of the three are dead.
SEC("xdp")
int sampler(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  if (!(config.features & FEATURE_SAMPLE)) {
    while (true) {
      if (bpf_ktime_get_ns() == 0) break;
    }
  }
  __u32 bytes = sample_bytes;
  const __u8* from = cursor.position;
  if (!cursor_skip(&cursor, bytes)) return XDP_PASS;
#pragma clang loop unroll(disable)
  for (__u32 i = 0; i < bytes; i++) samples[i & 63] = from[i];
  if (config.features & FEATURE_COUNT) totals[samples[0] & 63]++;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
