// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Sends the first bytes of every `sample_every`-th frame to user space through a ring buffer, and passes every frame.
//
// A record is reserved, filled in place and submitted; ARP, of no interest, is discarded after the copy. Where the ring
// is full the sample is lost, and counted as such. `totals` is plain global data, shared by all CPUs.
//
// Tested by: its rows of matrix.txt.
#include "ethernet.h"
#include "sample.h"

#define CAPTURED_BYTES 64

struct record {
  struct sample sample;
  __u8 headers[CAPTURED_BYTES];
};

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 256 * 1024);
} samples SEC(".maps");

struct totals {
  __u64 frames;
  __u64 submitted;
  __u64 discarded;
  __u64 lost;
};

struct totals totals;
const volatile __u64 sample_every = 4;

// Copies up to CAPTURED_BYTES and gives how many; the rest of the record becomes zero.
static __always_inline __u32 copy_headers(struct xdp_md* ctx, __u8* headers) {
  struct cursor cursor = cursor_at_start(ctx);
  __u32 copied = 0;
  __builtin_memset(headers, 0, CAPTURED_BYTES);
  for (; copied < CAPTURED_BYTES; copied++) {
    __u8* byte = cursor_take(&cursor, __u8);
    if (!byte) break;
    headers[copied] = *byte;
  }
  return copied;
}

static __always_inline bool is_arp(const struct record* record) {
  const struct ethernet_header* ethernet = (const struct ethernet_header*)record->headers;
  return ethernet->protocol == bpf_htons(ETH_P_ARP);
}

static __always_inline void take_sample(struct xdp_md* ctx, __u64 number) {
  struct record* record = bpf_ringbuf_reserve(&samples, sizeof(*record), 0);
  if (!record) {
    __sync_fetch_and_add(&totals.lost, 1);
    return;
  }
  record->sample.number = number;
  record->sample.ifindex = ctx->ingress_ifindex;
  record->sample.frame_bytes = frame_length(ctx);
  record->sample.captured_bytes = copy_headers(ctx, record->headers);
  if (is_arp(record)) {
    bpf_ringbuf_discard(record, 0);
    __sync_fetch_and_add(&totals.discarded, 1);
    return;
  }
  bpf_ringbuf_submit(record, 0);
  __sync_fetch_and_add(&totals.submitted, 1);
}

SEC("xdp")
int xdp_ringbuf_sampler(struct xdp_md* ctx) {
  __u64 number = __sync_fetch_and_add(&totals.frames, 1);
  if (sample_every && number % sample_every == 0) take_sample(ctx, number);
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
