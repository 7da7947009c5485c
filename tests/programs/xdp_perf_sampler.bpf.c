// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Sends the first bytes of every `sample_every`-th frame to user space through the perf buffer of the CPU it runs on,
// and passes every frame. The bytes are appended by the helper itself: the upper half of its flags says how many.
//
// `offered` counts the samples, whether or not anybody was there to read them.
//
// Tested by: its rows of matrix.txt.
#include "cursor.h"
#include "sample.h"

#define CAPTURED_BYTES 128

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} samples SEC(".maps");

__u64 frames;
__u64 offered;
const volatile __u64 sample_every = 4;

static __always_inline void offer_sample(struct xdp_md* ctx, __u64 number) {
  __u64 length = frame_length(ctx);
  __u64 captured = length < CAPTURED_BYTES ? length : CAPTURED_BYTES;
  struct sample sample = {
      .number = number,
      .ifindex = ctx->ingress_ifindex,
      .frame_bytes = length,
      .captured_bytes = captured,
  };
  bpf_perf_event_output(ctx, &samples, BPF_F_CURRENT_CPU | captured << 32, &sample, sizeof(sample));
  __sync_fetch_and_add(&offered, 1);
}

SEC("xdp")
int xdp_perf_sampler(struct xdp_md* ctx) {
  __u64 number = __sync_fetch_and_add(&frames, 1);
  if (sample_every && number % sample_every == 0) offer_sample(ctx, number);
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
