// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Callbacks: bpf_loop over packet bytes and table entries with a context on the stack, for_each_map_elem over arrays
// and hashes, loops in loops, a timer that re-arms itself and walks a map.
#include "ip.h"
#include "verdicts.h"

#define CLOCK_MONOTONIC 1

struct bpf_map;

struct rule {
  __be32 address, mask;
  __be16 port;
  __u16 action;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, struct rule);
} rules SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __be32);
  __type(value, __u64);
} last_seen SEC(".maps");

struct expiry {
  __u64 period;
  struct bpf_timer timer;
  __u32 runs, armed;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct expiry);
} expiries SEC(".maps");

struct match {
  __be32 address;
  __be16 port;
  __u16 action;
  __u32 tried;
};

static long try_rule(__u32 index, void* argument) {
  struct match* match = argument;
  struct rule* rule = bpf_map_lookup_elem(&rules, &index);
  if (!rule) return 1;
  match->tried++;
  if ((match->address & rule->mask) != rule->address) return 0;
  if (rule->port && rule->port != match->port) return 0;
  match->action = rule->action;
  return 1;
}

SEC("xdp")
int rules_by_loop(struct xdp_md* ctx) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol) || protocol != bpf_htons(ETH_P_IP)) return XDP_PASS;
  struct iphdr* ip = take_ipv4(&cursor);
  if (!ip) return XDP_DROP;
  struct ports* ports = cursor_take(&cursor, struct ports);
  struct match match = {.address = ip->saddr, .port = ports ? ports->destination : 0, .action = XDP_PASS};
  if (bpf_loop(256, try_rule, &match, 0) < 0) return XDP_ABORTED;
  return count_verdict(match.action <= XDP_REDIRECT ? match.action : XDP_ABORTED, match.tried);
}

struct summer {
  struct xdp_md* ctx;
  __u32 sum;
  __u32 offset;
};

static long add_word(__u32 index, void* argument) {
  struct summer* summer = argument;
  struct xdp_md* ctx = summer->ctx;
  void* data = (void*)(long)ctx->data;
  void* end = (void*)(long)ctx->data_end;
  if (index > 1000) return 1;
  __u16* word = data + index * 2;
  if ((void*)(word + 1) > end) return 1;
  summer->sum += *word;
  summer->offset = index * 2 + 2;
  return 0;
}

SEC("xdp")
int sum_by_loop(struct xdp_md* ctx) {
  struct summer summer = {.ctx = ctx};
  bpf_loop(700, add_word, &summer, 0);
  __u32 sum = (summer.sum & 0xffff) + (summer.sum >> 16);
  return count_verdict(sum == 0xffff ? XDP_PASS : XDP_DROP, summer.offset);
}

static long inner(__u32 index, void* argument) {
  __u64* total = argument;
  *total += index;
  return *total > 100000;
}

static long outer(__u32 index, void* argument) {
  if (index > 64) return 1;
  bpf_loop(index, inner, argument, 0);
  return 0;
}

SEC("xdp")
int loop_in_loop(struct xdp_md* ctx) {
  __u64 total = frame_length(ctx);
  bpf_loop(128, outer, &total, 0);
  return total & 1 ? XDP_PASS : XDP_DROP;
}

struct oldest {
  __u64 time;
  __be32 address;
  __u32 entries;
};

static long look_for_oldest(struct bpf_map* map, __be32* key, __u64* value, struct oldest* oldest) {
  (void)map;
  oldest->entries++;
  if (*value < oldest->time) {
    oldest->time = *value;
    oldest->address = *key;
  }
  return oldest->entries > 512;
}

static long clear_rule(struct bpf_map* map, __u32* key, struct rule* rule, void* unused) {
  (void)map;
  (void)unused;
  if (*key & 1) rule->action = XDP_DROP;
  return 0;
}

SEC("xdp")
int walk_maps(struct xdp_md* ctx) {
  struct oldest oldest = {.time = bpf_ktime_get_ns()};
  long walked = bpf_for_each_map_elem(&last_seen, look_for_oldest, &oldest, 0);
  if (walked < 0) return XDP_ABORTED;
  if (oldest.entries) bpf_map_delete_elem(&last_seen, &oldest.address);
  bpf_for_each_map_elem(&rules, clear_rule, NULL, 0);
  return count_verdict(XDP_PASS, frame_length(ctx));
}

static long forget_old(struct bpf_map* map, __be32* key, __u64* value, __u64* now) {
  if (*now - *value > 60000000000ULL) bpf_map_delete_elem(map, key);
  return 0;
}

static int on_timer(void* map, int* key, struct expiry* expiry) {
  (void)map;
  __u64 now = bpf_ktime_get_ns();
  bpf_for_each_map_elem(&last_seen, forget_old, &now, 0);
  expiry->runs++;
  if (*key == 0) bpf_timer_start(&expiry->timer, expiry->period, 0);
  return 0;
}

SEC("tc")
int arm_timer(struct __sk_buff* skb) {
  __u32 zero = 0;
  struct expiry* expiry = bpf_map_lookup_elem(&expiries, &zero);
  if (!expiry) return 0;
  if (!__sync_bool_compare_and_swap(&expiry->armed, 0, 1)) return 0;
  expiry->period = 1000000000;
  if (bpf_timer_init(&expiry->timer, &expiries, CLOCK_MONOTONIC)) return 0;
  bpf_timer_set_callback(&expiry->timer, on_timer);
  bpf_timer_start(&expiry->timer, expiry->period + skb->len, 0);
  return 0;
}

SEC("tc")
int stop_timer(struct __sk_buff* skb) {
  (void)skb;
  __u32 zero = 0;
  struct expiry* expiry = bpf_map_lookup_elem(&expiries, &zero);
  if (!expiry) return 0;
  bpf_timer_cancel(&expiry->timer);
  expiry->armed = 0;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
