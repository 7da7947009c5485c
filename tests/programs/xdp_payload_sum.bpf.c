// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The Internet checksum of 1,500 bytes of payload, read as 32-bit words. Shorter frames pass.
//
// Tested by: its rows of matrix.txt.
#include "answer.h"
#include "checksum.h"
#include "payload.h"

SEC("xdp")
int xdp_payload_sum(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  struct payload* payload = cursor_take(&cursor, struct payload);
  if (!payload) return XDP_PASS;
  __u64 sum = 0;
  for (int i = 0; i < PAYLOAD_WORDS; i++) sum += payload->words[i];
  return answer(ethernet, checksum_fold(sum));
}

char LICENSE[] SEC("license") = "GPL";
