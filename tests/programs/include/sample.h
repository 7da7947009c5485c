// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The fixed part of a sample record, as user space reads it from the ring buffer or the perf buffer.
#pragma once

#include <linux/types.h>

struct sample {
  __u64 number;          // of the frame, counted from 0
  __u32 ifindex;         // where it came in
  __u32 frame_bytes;     // its whole length
  __u32 captured_bytes;  // how many of them follow
  __u32 unused;          // 0: padding by name, so that no stack byte that was never written leaves with the record
};
