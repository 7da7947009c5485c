// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// What map_kinds.bpf.c and map_kinds.c tell each other.
#pragma once

#include <linux/types.h>

enum { kCapacity = 3 };

struct outcome {
  __s64 push, peek, pop, member;
  __u32 peeked, popped;
};
