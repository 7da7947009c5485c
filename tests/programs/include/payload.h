// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The payload that xdp_payload_hash and xdp_payload_sum read: all that a full Ethernet frame carries.
//
// Tested by: both programs on captures/full.pcap.
#pragma once

#include "cursor.h"
#include "views.h"

#define PAYLOAD_BYTES 1500

struct payload {
  u32_view words[PAYLOAD_BYTES / sizeof(__u32)];
};

#define PAYLOAD_WORDS ((int)(sizeof(struct payload) / sizeof(__u32)))
