// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Flow records to user space in every way there is: a reserved ring-buffer record that is filled and submitted or
// thrown away on each path, ringbuf_output of a record on the stack, and perf events with packet bytes behind them.
#include <linux/tcp.h>

#include "ip.h"
#include "sample.h"
#include "verdicts.h"

#define CAPTURE 128

struct flow_event {
  __u64 time;
  struct address source, destination;
  struct ports ports;
  __u32 length;
  __u8 protocol, tcp_flags, reason, unused;
  __u32 captured;
  __u8 bytes[CAPTURE];
};

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 18);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} samples SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, struct ports);
  __type(value, __u64);
} last_seen SEC(".maps");

const volatile __u32 sample_one_of = 64;

// Fills the event from the packet; false where it is none of ours.
static __always_inline bool describe(struct xdp_md* ctx, struct flow_event* event) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol)) return false;
  if (protocol == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = take_ipv4(&cursor);
    if (!ip) return false;
    event->source = address_of_ipv4(ip->saddr);
    event->destination = address_of_ipv4(ip->daddr);
    event->protocol = ip->protocol;
  } else if (protocol == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr* ip = take_ipv6(&cursor);
    if (!ip) return false;
    event->source = address_of_ipv6(&ip->saddr);
    event->destination = address_of_ipv6(&ip->daddr);
    event->protocol = ip->nexthdr;
  } else {
    return false;
  }
  event->tcp_flags = 0;
  if (event->protocol == IPPROTO_TCP) {
    struct tcphdr* tcp = cursor.position;
    if ((void*)(tcp + 1) > cursor.end) return false;
    event->tcp_flags = ((__u8*)tcp)[13];
  }
  struct ports* ports = cursor_take(&cursor, struct ports);
  if (!ports) return false;
  event->ports = *ports;
  return true;
}

SEC("xdp")
int flow_records(struct xdp_md* ctx) {
  struct flow_event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) return count_verdict(XDP_ABORTED, 1);
  if (!describe(ctx, event)) {
    bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
    return count_verdict(XDP_PASS, 0);
  }
  struct ports key = event->ports;
  __u64 now = bpf_ktime_get_ns();
  __u64* last = bpf_map_lookup_elem(&last_seen, &key);
  if (last && now - *last < 1000000000ULL && !(event->tcp_flags & 7)) {
    *last = now;
    bpf_ringbuf_discard(event, 0);
    return count_verdict(XDP_PASS, 0);
  }
  bpf_map_update_elem(&last_seen, &key, &now, BPF_ANY);
  event->time = now;
  event->length = frame_length(ctx);
  event->reason = last ? 1 : 2;
  event->unused = 0;
  event->captured = 0;
  struct cursor cursor = cursor_at_start(ctx);
#pragma clang loop unroll(disable)
  for (__u32 i = 0; i < CAPTURE; i++) {
    __u8* byte = cursor_take(&cursor, __u8);
    if (!byte) break;
    event->bytes[i] = *byte;
    event->captured = i + 1;
  }
  bpf_ringbuf_submit(event, event->tcp_flags & 5 ? BPF_RB_FORCE_WAKEUP : 0);
  return count_verdict(XDP_PASS, frame_length(ctx));
}

SEC("xdp")
int flow_output(struct xdp_md* ctx) {
  struct flow_event event = {};
  if (!describe(ctx, &event)) return XDP_PASS;
  event.time = bpf_ktime_get_ns();
  event.length = frame_length(ctx);
  __u32 size = sizeof(event);
  if (event.protocol != IPPROTO_TCP) size -= CAPTURE;
  if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > 1 << 17) return XDP_PASS;
  bpf_ringbuf_output(&events, &event, size, 0);
  return XDP_PASS;
}

SEC("xdp")
int packet_samples(struct xdp_md* ctx) {
  if (sample_one_of == 0 || bpf_get_prandom_u32() % sample_one_of) return XDP_PASS;
  __u64 length = frame_length(ctx);
  struct sample sample = {.ifindex = ctx->ingress_ifindex, .frame_bytes = length};
  sample.captured_bytes = length < 256 ? length : 256;
  bpf_perf_event_output(ctx, &samples, BPF_F_CURRENT_CPU | (__u64)sample.captured_bytes << 32, &sample, sizeof(sample));
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
