// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Packet and byte counters.
//
// Why two ways to add: a per-CPU counter has one writer and needs no atomics; a shared one is only ever added to, which
// lets a runtime keep copies of it on several devices and add them up.
#pragma once

#include <linux/types.h>

struct counter {
  __u64 packets;
  __u64 bytes;
};

static __always_inline void count_per_cpu(struct counter* counter, __u64 bytes) {
  counter->packets++;
  counter->bytes += bytes;
}

static __always_inline void count_shared(struct counter* counter, __u64 bytes) {
  __sync_fetch_and_add(&counter->packets, 1);
  __sync_fetch_and_add(&counter->bytes, bytes);
}
