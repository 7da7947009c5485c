// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// What the program and the application tell each other.
#pragma once

#include <linux/types.h>

struct protocol_count {
  __u64 packets;
  __u64 bytes;
};

struct prefix {
  __u32 length;   // bits
  __u32 address;  // network order
};

struct sample {
  __u32 sequence;
  __u32 source;  // network order
  __u32 bytes;
  __u32 protocol;
};

struct drop_event {
  __u32 reason;
  __u32 bytes;
};
