// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The map `verdicts`: packets and bytes by XDP action, per CPU. Included by programs that have no finer statistics.
//
// Tested by: the golden results, which must agree with the verdicts that the engine itself counted.
#pragma once

#include "counter.h"
#include "cursor.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, XDP_REDIRECT + 1);
  __type(key, __u32);
  __type(value, struct counter);
} verdicts SEC(".maps");

// Counts a frame of `bytes` under `action`, and gives the action back: return count_verdict(...).
static __always_inline int count_verdict(__u32 action, __u64 bytes) {
  struct counter* counter = bpf_map_lookup_elem(&verdicts, &action);
  if (counter) count_per_cpu(counter, bytes);
  return action;
}
