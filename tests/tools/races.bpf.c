// SPDX-License-Identifier: Apache-2.0
//
// A counter that is read and written back without an atomic: packets that run at the same time race there, and
// tests/tools/oclgrind_test.sh wants that to be found.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

SEC("xdp") int races(struct xdp_md* context) {
  (void)context;
  __u32 key = 0;
  __u64* count = bpf_map_lookup_elem(&counts, &key);
  if (count) *count += 1;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
