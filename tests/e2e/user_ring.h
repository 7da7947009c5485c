// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// What user_ring.bpf.c and user_ring.c tell each other.
#pragma once

#include <linux/types.h>

struct request {
  __u32 kind;
  __u32 bytes;
  __u64 number;
};

struct drained {
  __s64 result;   // of the last drain
  __u64 samples;  // read, of all drains
  __u64 total;    // their numbers
  __u64 unreadable;
  __u64 last_size;
  __s64 written;  // what writing to a sample said
};
