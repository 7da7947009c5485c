// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Limits each source address to `rate` packets per window of time, with bursts of up to `burst`: a token bucket whose
// clock ticks once per window. Whoever finds his bucket empty is dropped; what is not IP passes unmetered.
//
// Buckets are refilled by whichever CPU first sees a window begin (compare-and-exchange on the window's number), and
// emptied by atomic decrements: no lock, and no token is spent twice.
//
// By default one window lasts for 292 years, so that its number is 0 for ever and runs repeat exactly: each source gets
// `burst` packets. Set `window_ns` before loading for real use.
//
// Tested by: its rows of matrix.txt.
#include "counter.h"
#include "ip.h"

struct bucket {
  __u64 window;  // the last one that it was filled for
  __s64 tokens;
  __u64 passed;
  __u64 dropped;
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, struct address);
  __type(value, struct bucket);
} buckets SEC(".maps");

const volatile __u64 window_ns = 1ull << 63;
const volatile __u32 rate = 8;
const volatile __u32 burst = 8;

static __always_inline bool find_source(struct xdp_md* ctx, struct address* source) {
  struct cursor cursor = cursor_at_start(ctx);
  __be16 protocol;
  if (!take_ethernet(&cursor, &protocol)) return false;
  if (protocol == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = take_ipv4(&cursor);
    if (ip) *source = address_of_ipv4(ip->saddr);
    return ip;
  }
  struct ipv6hdr* ip = protocol == bpf_htons(ETH_P_IPV6) ? take_ipv6(&cursor) : NULL;
  if (ip) *source = address_of_ipv6(&ip->saddr);
  return ip;
}

static __always_inline struct bucket* find_bucket(const struct address* source, __u64 window) {
  struct bucket* bucket = bpf_map_lookup_elem(&buckets, source);
  if (bucket) return bucket;
  struct bucket full = {.window = window, .tokens = burst};
  bpf_map_update_elem(&buckets, source, &full, BPF_NOEXIST);  // another CPU may be first: look again
  return bpf_map_lookup_elem(&buckets, source);
}

static __always_inline void refill(struct bucket* bucket, __u64 window) {
  __u64 filled = bucket->window;
  if (filled >= window || __sync_val_compare_and_swap(&bucket->window, filled, window) != filled) return;
  __u64 missing = burst - bucket->tokens;
  __u64 due = (window - filled) * rate;
  __sync_fetch_and_add(&bucket->tokens, due < missing ? due : missing);
}

static __always_inline bool take_token(struct bucket* bucket) {
  if (__sync_fetch_and_add(&bucket->tokens, -1) > 0) return true;
  __sync_fetch_and_add(&bucket->tokens, 1);
  return false;
}

SEC("xdp")
int xdp_rate_limiter(struct xdp_md* ctx) {
  struct address source;
  if (!find_source(ctx, &source)) return XDP_PASS;
  __u64 window = bpf_ktime_get_ns() / window_ns;
  struct bucket* bucket = find_bucket(&source, window);
  if (!bucket) return XDP_DROP;
  refill(bucket, window);
  bool allowed = take_token(bucket);
  __sync_fetch_and_add(allowed ? &bucket->passed : &bucket->dropped, 1);
  return allowed ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
