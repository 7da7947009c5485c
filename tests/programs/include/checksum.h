// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The Internet checksum: whole (RFC 1071) and updated in place (RFC 1624).
//
// Tested by: the generator's own checksums; every rewriting program's output is checked packet by packet.
#pragma once

#include <linux/types.h>

#include "ip.h"

// Folds a sum of 16-bit words to 16 bits and complements it. Four carries can arise from 64 bits.
static __always_inline __sum16 checksum_fold(__u64 sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

// Of an IPv4 header without options whose checksum field is zero.
static __always_inline __sum16 ipv4_checksum(const struct iphdr* ip) {
  const u16_view* words = (const u16_view*)ip;
  __u64 sum = 0;
#pragma unroll
  for (int i = 0; i < (int)sizeof(*ip) / 2; i++) sum += words[i];
  return checksum_fold(sum);
}

// The checksum after one of the 16-bit words it covers went from `before` to `after` (RFC 1624, equation 3).
static __always_inline __sum16 checksum_update(__sum16 check, __u16 before, __u16 after) {
  return checksum_fold((__u64)(__u16)~check + (__u16)~before + after);
}

// One hop less to live. Time-to-live shares its 16-bit word with the protocol.
static __always_inline void decrement_ttl(struct iphdr* ip) {
  u16_view* word = (u16_view*)&ip->ttl;
  __u16 before = *word;
  ip->ttl--;
  ip->check = checksum_update(ip->check, before, *word);
}
