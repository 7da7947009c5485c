// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// State in every kind of map: maps in maps looked up twice, queues, stacks and bloom filters, global arrays with
// variable indexes, atomics of all kinds, values that hold several arrays, packet metadata.
#include "hash.h"
#include "ip.h"
#include "verdicts.h"

struct tenant_table {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __be32);
  __type(value, struct counter);
} first_tenant SEC(".maps"), second_tenant SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 64);
  __type(key, __u32);
  __array(values, struct tenant_table);
} tenants SEC(".maps");

struct window {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, __u64);
} window0 SEC(".maps"), window1 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 2);
  __type(key, __u32);
  __array(values, struct window);
} windows SEC(".maps") = {.values = {&window0, &window1}};

struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, 64);
  __type(value, __u32);
} free_ports SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK);
  __uint(max_entries, 64);
  __type(value, struct counter);
} history SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
  __uint(max_entries, 1000);
  __type(value, __be32);
  __uint(map_extra, 3);
} known SEC(".maps");

struct series {
  __u32 at;
  __u32 values[15];
  __u64 sums[4];
  char label[16];
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 256);
  __type(key, __be32);
  __type(value, struct series);
} all_series SEC(".maps");

__u32 current_window;
__u64 ring[128];
__u32 ring_head;
static struct counter per_queue[16];

static __always_inline struct iphdr* ipv4_of(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol) || protocol != bpf_htons(ETH_P_IP)) return NULL;
  return take_ipv4(&cursor);
}

SEC("xdp")
int tenants_and_windows(struct xdp_md* ctx) {
  struct iphdr* ip = ipv4_of(ctx);
  if (!ip) return XDP_PASS;
  __u32 tenant = bpf_ntohl(ip->daddr) >> 24;
  void* table = bpf_map_lookup_elem(&tenants, &tenant);
  if (!table) return XDP_DROP;
  __be32 source = ip->saddr;
  struct counter* counter = bpf_map_lookup_elem(table, &source);
  if (!counter) {
    struct counter fresh = {.packets = 1};
    bpf_map_update_elem(table, &source, &fresh, BPF_NOEXIST);
  } else {
    count_shared(counter, frame_length(ctx));
  }
  __u32 which = current_window & 1;
  void* window = bpf_map_lookup_elem(&windows, &which);
  if (!window) return XDP_PASS;
  __u32 slot = tenant & 15;
  __u64* bytes = bpf_map_lookup_elem(window, &slot);
  if (bytes && __sync_fetch_and_add(bytes, frame_length(ctx)) > 1ULL << 30) return XDP_DROP;
  return XDP_PASS;
}

SEC("xdp")
int queues(struct xdp_md* ctx) {
  struct iphdr* ip = ipv4_of(ctx);
  if (!ip) return XDP_PASS;
  __be32 source = ip->saddr;
  if (bpf_map_peek_elem(&known, &source) == 0) return XDP_PASS;
  bpf_map_push_elem(&known, &source, BPF_ANY);
  __u32 port = 0;
  if (bpf_map_pop_elem(&free_ports, &port)) return XDP_DROP;
  struct counter last = {};
  if (bpf_map_peek_elem(&history, &last) == 0 && last.packets > 100) bpf_map_pop_elem(&history, &last);
  last.packets++;
  last.bytes += port;
  bpf_map_push_elem(&history, &last, BPF_EXIST);
  port++;
  bpf_map_push_elem(&free_ports, &port, 0);
  return count_verdict(XDP_PASS, port);
}

SEC("xdp")
int globals(struct xdp_md* ctx) {
  __u32 head = ring_head;
  ring[head % 128] = frame_length(ctx);
  ring_head = head + 1;
  __u64 sum = 0;
#pragma clang loop unroll(disable)
  for (__u32 i = 0; i < 16; i++) sum += ring[(head - i) & 127];
  __u32 queue = ctx->rx_queue_index;
  if (queue < 16) count_per_cpu(&per_queue[queue], sum);
  return sum > 16 * 1000 ? XDP_DROP : XDP_PASS;
}

__u64 lock_word, maximum, flags_seen, exchanged;
__u32 narrow;

SEC("xdp")
int atomics(struct xdp_md* ctx) {
  __u64 length = frame_length(ctx);
  __u64 before = maximum;
#pragma clang loop unroll(disable)
  for (int i = 0; i < 4 && before < length; i++) {
    __u64 seen = __sync_val_compare_and_swap(&maximum, before, length);
    if (seen == before) break;
    before = seen;
  }
  __u64 old = __sync_fetch_and_or(&flags_seen, 1ULL << (length & 63));
  __sync_fetch_and_and(&flags_seen, ~(1ULL << (old & 7)));
  __sync_fetch_and_xor(&flags_seen, old);
  __u64 last = __sync_lock_test_and_set(&exchanged, length);
  __u32 count = __sync_fetch_and_add(&narrow, 1);
  if (!__sync_bool_compare_and_swap(&lock_word, 0, 1)) return XDP_PASS;
  lock_word = 0;
  return count_verdict(last > length ? XDP_DROP : XDP_PASS, ring[count & 127]);
}

SEC("xdp")
int series(struct xdp_md* ctx) {
  struct iphdr* ip = ipv4_of(ctx);
  if (!ip) return XDP_PASS;
  __be32 source = ip->saddr;
  __u8 tos = ip->tos;
  struct series* series = bpf_map_lookup_elem(&all_series, &source);
  if (!series) {
    struct series fresh = {.label = "new"};
    bpf_map_update_elem(&all_series, &source, &fresh, BPF_ANY);
    return XDP_PASS;
  }
  __u32 at = series->at;
  if (at >= 15) at = 0;
  series->values[at] = frame_length(ctx);
  series->at = at + 1;
  series->sums[tos >> 6] += series->values[at];
  series->label[tos & 15] = 'a' + (tos & 7);
  __u32 least = ~0U;
#pragma clang loop unroll(disable)
  for (int i = 0; i < 15; i++) {
    __u32 value = series->values[i];
    least = value < least ? value : least;
  }
  return count_verdict(series->values[at] > 4 * least ? XDP_DROP : XDP_PASS, least);
}

struct metadata {
  __u32 hash;
  __u32 mark;
};

SEC("xdp")
int with_metadata(struct xdp_md* ctx) {
  struct iphdr* ip = ipv4_of(ctx);
  if (!ip) return XDP_PASS;
  __u32 words[2] = {ip->saddr, ip->daddr};
  __u32 hash = hash_words((u32_view*)words, 2, 0);
  if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(struct metadata))) return XDP_PASS;
  struct metadata* metadata = (void*)(long)ctx->data_meta;
  if ((void*)(metadata + 1) > (void*)(long)ctx->data) return XDP_ABORTED;
  metadata->hash = hash;
  metadata->mark = words[0] == words[1];
  return XDP_PASS;
}

SEC("tc")
int from_metadata(struct __sk_buff* skb) {
  struct metadata* metadata = (void*)(long)skb->data_meta;
  struct ethernet_header* ethernet = (void*)(long)skb->data;
  if ((void*)(metadata + 1) > (void*)(long)skb->data) {
    skb->mark = 0;
    return 0;
  }
  skb->mark = metadata->mark;
  skb->tc_classid = metadata->hash & 0xffff;
  if ((void*)(ethernet + 1) > (void*)(long)skb->data_end) return 2;
  return ethernet->protocol == bpf_htons(ETH_P_ARP) ? 2 : 0;
}

char LICENSE[] SEC("license") = "GPL";
