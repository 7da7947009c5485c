// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Redirection to processors, sockets and devices.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_CPUMAP);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct bpf_cpumap_val);
} processors SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} sockets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct bpf_devmap_val);
} devices SEC(".maps");

SEC("xdp")
int to_a_processor(struct xdp_md* ctx) { return bpf_redirect_map(&processors, ctx->rx_queue_index, XDP_PASS); }

SEC("xdp")
int to_a_socket(struct xdp_md* ctx) {
  __u32 queue = ctx->rx_queue_index;
  if (!bpf_map_lookup_elem(&sockets, &queue)) return XDP_PASS;
  return bpf_redirect_map(&sockets, queue, XDP_DROP);
}

SEC("xdp")
int to_all_devices(struct xdp_md* ctx) {
  (void)ctx;
  return bpf_redirect_map(&devices, 0, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
}

SEC("xdp/devmap")
int on_the_way_out(struct xdp_md* ctx) { return ctx->egress_ifindex == 7 ? XDP_DROP : XDP_PASS; }

SEC("xdp/cpumap")
int on_the_processor(struct xdp_md* ctx) { return ctx->data == ctx->data_end ? XDP_DROP : XDP_PASS; }

char LICENSE[] SEC("license") = "GPL";
