// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Where programs that only compute leave what they found: over the first eight bytes of the frame, which goes back to
// where it came from. Most have no maps, so that engines without any can run them too.
//
// Tested by: xdp_sieve, xdp_gcd and their like, whose frames are compared byte by byte.
#pragma once

#include "ethernet.h"

// `frame` is the first byte of a frame that was found to have a whole Ethernet header.
static __always_inline int answer(struct ethernet_header* frame, __u64 value) {
  *(u64_view*)frame = value;
  return XDP_TX;
}
