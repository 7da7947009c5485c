// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Frames that are finished where they go. The lowest two bits of the source address choose an entry of `ports`; its
// program writes the port's own address as the source, and drops what would leave by the port that it came from. Frames
// of the last choice go to a CPU first, whose program sends IPv4 on to port entry 0 and keeps the rest.
//
// Tested by: tests/cli/redirect_test.sh. (No row of matrix.txt: the kernel's test run redirects nothing.)
#include "counter.h"
#include "ethernet.h"

#define PORTS 4
#define TO_CPU (PORTS - 1)

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, PORTS);
  __type(key, __u32);
  __type(value, struct bpf_devmap_val);
} ports SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CPUMAP);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct bpf_cpumap_val);
} cpus SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, PORTS);
  __type(key, __u32);
  __type(value, struct counter);
} left SEC(".maps");

SEC("xdp")
int xdp_redirect_egress(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  __u32 slot = ethernet->source.bytes[ETH_ALEN - 1] % PORTS;
  return slot == TO_CPU ? bpf_redirect_map(&cpus, 0, XDP_DROP) : bpf_redirect_map(&ports, slot, XDP_DROP);
}

static __always_inline void count_port(__u32 port, __u64 bytes) {
  struct counter first = {};
  struct counter* counter = bpf_map_lookup_elem(&left, &port);
  if (!counter) {
    bpf_map_update_elem(&left, &port, &first, BPF_NOEXIST);
    counter = bpf_map_lookup_elem(&left, &port);
  }
  if (counter) count_shared(counter, bytes);
}

SEC("xdp/devmap")
int leave_by_port(struct xdp_md* ctx) {
  __u32 port = ctx->egress_ifindex;
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet || port == ctx->ingress_ifindex) return XDP_DROP;
  ethernet->source = (struct mac_address){{2, 0, 0, 0xee, 0, port}};
  count_port(port, frame_length(ctx));
  return XDP_PASS;
}

SEC("xdp/cpumap")
int work_on_cpu(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return XDP_DROP;
  return ethernet->protocol == bpf_htons(ETH_P_IP) ? bpf_redirect_map(&ports, 0, XDP_DROP) : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
