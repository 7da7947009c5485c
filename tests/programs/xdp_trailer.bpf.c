// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Ends each packet with a trailer: the sum of its last bytes. Packets may be of several buffers, so that their end is
// reached by copies (bpf_xdp_load_bytes), not by pointers.
//
//   before  | Ethernet | payload ...                   |
//   after   | Ethernet | payload ...         | trailer |     the last buffer had room
//   or      | Ethernet | payload ...   | trailer |           written over the last bytes
//
// Tested by: its rows of matrix.txt.

#include <bpf/bpf_endian.h>

#include "verdicts.h"

#define SUMMED_BYTES 64

struct trailer {
  __be32 sum;
  __be32 length;  // of the packet before
};

static __always_inline bool sum_end(struct xdp_md* ctx, __u32 length, __u32* sum) {
  __u8 end[SUMMED_BYTES];
  if (length < SUMMED_BYTES || bpf_xdp_load_bytes(ctx, length - SUMMED_BYTES, end, sizeof(end))) return false;
  *sum = 0;
#pragma clang loop unroll(disable)
  for (int i = 0; i < SUMMED_BYTES; i++) *sum = *sum * 31 + end[i];
  return true;
}

SEC("xdp.frags")
int xdp_trailer(struct xdp_md* ctx) {
  __u32 length = bpf_xdp_get_buff_len(ctx);
  __u32 sum;
  if (!sum_end(ctx, length, &sum)) return count_verdict(XDP_PASS, length);
  struct trailer trailer = {.sum = bpf_htonl(sum), .length = bpf_htonl(length)};
  bool grown = !bpf_xdp_adjust_tail(ctx, sizeof(trailer));
  __u32 offset = grown ? length : length - sizeof(trailer);
  if (bpf_xdp_store_bytes(ctx, offset, &trailer, sizeof(trailer))) return count_verdict(XDP_ABORTED, length);
  return count_verdict(grown ? XDP_TX : XDP_PASS, length);
}

char LICENSE[] SEC("license") = "GPL";
