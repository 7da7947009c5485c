// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// Programs for pin_and_attach.c: one for each way to attach that libbpf 1.1 goes by bpf(2) or perf_event_open(2).
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>

#define UNUSED __attribute__((unused))

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, __u64);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} counts SEC(".maps");

SEC("kprobe/do_unlinkat")
int on_function(void* context UNUSED) { return 0; }

SEC("kretprobe/do_unlinkat")
int on_return(void* context UNUSED) { return 0; }

SEC("tracepoint/sched/sched_switch")
int on_switch(void* context UNUSED) { return 0; }

SEC("raw_tracepoint/sched_switch")
int on_raw_switch(void* context UNUSED) { return 0; }

SEC("perf_event")
int on_sample(void* context UNUSED) { return 0; }

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff* packet UNUSED) { return 1; }

SEC("xdp")
int on_frame(struct xdp_md* frame UNUSED) {
  __u32 key = 1;
  __u64 one = 1;
  bpf_map_update_elem(&counts, &key, &one, BPF_ANY);
  return XDP_PASS;
}

char licence[] SEC("license") = "GPL";
