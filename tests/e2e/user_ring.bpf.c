// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Drains a user ring buffer, sample after sample. See user_ring.c.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "user_ring.h"

struct {
  __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
  __uint(max_entries, 4096);
} requests SEC(".maps");

const volatile __u32 stop_at = 3;
__u64 drain_flags;
struct drained drained;

static long take(struct bpf_dynptr* sample, void* context) {
  struct drained* sum = context;
  struct request request;
  if (bpf_dynptr_read(&request, sizeof request, sample, 0, 0) != 0) {
    drained.unreadable++;
    return 0;
  }
  sum->samples++;
  sum->total += request.number;
  drained.last_size = request.bytes;
  request.number = 0;
  drained.written = bpf_dynptr_write(sample, 0, &request, sizeof request, 0);
  return request.kind == stop_at;
}

SEC("xdp")
int drain(struct xdp_md* context) {
  struct drained sum = {0};
  (void)context;
  drained.result = bpf_user_ringbuf_drain(&requests, take, &sum, drain_flags);
  drained.samples += sum.samples;
  drained.total += sum.total;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
