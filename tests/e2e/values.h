// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// What the programs of values.bpf.c and their application tell each other.
#pragma once

#include <linux/types.h>

// What a program is asked, as the packet it runs on.
struct request {
  __u64 words[8];
};

// What it answers, in .bss.
struct answer {
  __u64 words[8];
};

enum walked_map { kArray, kHash, kPerCpuArray, kPerCpuHash, kLruHash, kWalkedMaps };

enum timer_operation { kInit, kSetCallback, kStart, kCancel, kTimerOperations };
enum { kTimedKeys = 4, kBufferBytes = 32, kRingBytes = 4096 };
