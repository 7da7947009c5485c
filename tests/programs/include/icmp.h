// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The ICMP header (RFC 792). Ours, because <linux/icmp.h> draws in the C library's socket headers, which are not there
// for BPF targets.
#pragma once

#include <linux/types.h>

#define ICMP_DESTINATION_UNREACHABLE 3
#define ICMP_FRAGMENTATION_NEEDED 4

struct icmp_header {
  __u8 type;
  __u8 code;
  __sum16 checksum;
  __be16 unused;
  __be16 next_hop_mtu;  // of "fragmentation needed" (RFC 1191)
};
