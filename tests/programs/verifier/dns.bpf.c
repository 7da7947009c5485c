// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A DNS parser: labels of variable length, a compression pointer, the question's type, a name folded to lower case into
// a key on the stack or a map value by a loop with two cursors. Names are looked up from the longest suffix down.
#include <linux/udp.h>

#include "ip.h"
#include "verdicts.h"

#define MAX_NAME 64
#define MAX_LABELS 8

struct dns_header {
  __be16 id, flags, questions, answers, authorities, additional;
};

struct name {
  __u8 length;
  char text[MAX_NAME - 1];
};

struct suffix_key {
  __u32 bits;
  char reversed[MAX_NAME];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct name);
  __type(value, __u32);
} blocked SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 1024);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct suffix_key);
  __type(value, __u32);
} zones SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct name);
} scratch SEC(".maps");

static __always_inline bool take_dns(struct xdp_md* ctx, struct cursor* cursor) {
  __be16 protocol;
  *cursor = cursor_at_start(ctx);
  if (!take_ethernet(cursor, &protocol) || protocol != bpf_htons(ETH_P_IP)) return false;
  struct iphdr* ip = take_ipv4(cursor);
  if (!ip || ip->protocol != IPPROTO_UDP) return false;
  struct udphdr* udp = cursor_take(cursor, struct udphdr);
  if (!udp || udp->dest != bpf_htons(53)) return false;
  struct dns_header* dns = cursor_take(cursor, struct dns_header);
  return dns && !(dns->flags & bpf_htons(0x8000)) && dns->questions == bpf_htons(1);
}

static __always_inline char lower(char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

// The whole name byte by byte, with the count of what is left of the label.
SEC("xdp")
int dns_bytes(struct xdp_md* ctx) {
  struct cursor cursor;
  if (!take_dns(ctx, &cursor)) return XDP_PASS;
  struct name name = {};
  __u32 left = 0;
#pragma clang loop unroll(disable)
  for (__u32 i = 0; i < MAX_NAME - 2; i++) {
    char* c = cursor_take(&cursor, char);
    if (!c) return XDP_DROP;
    if (left == 0) {
      if (*c == 0) break;
      if (*c & 0xc0) return XDP_DROP;
      left = *c;
      name.text[i] = '.';
    } else {
      left--;
      name.text[i] = lower(*c);
    }
    name.length = i + 1;
  }
  __be16* type = cursor_take(&cursor, __be16);
  if (!type) return XDP_DROP;
  __u32* action = bpf_map_lookup_elem(&blocked, &name);
  return count_verdict(action && *action ? XDP_DROP : XDP_PASS, bpf_ntohs(*type));
}

// Label by label; only the labels' lengths are looked at, the name's bytes are skipped.
SEC("xdp")
int dns_labels(struct xdp_md* ctx) {
  struct cursor cursor;
  if (!take_dns(ctx, &cursor)) return XDP_PASS;
  int labels = 0;
#pragma clang loop unroll(disable)
  for (; labels < MAX_LABELS; labels++) {
    __u8* length = cursor_take(&cursor, __u8);
    if (!length) return XDP_DROP;
    if (*length == 0) break;
    if ((*length & 0xc0) == 0xc0) {
      if (!cursor_skip(&cursor, 1)) return XDP_DROP;
      break;
    }
    if (*length > 63 || !cursor_skip(&cursor, *length & 63)) return XDP_DROP;
  }
  __be16* type = cursor_take(&cursor, __be16);
  if (!type) return XDP_DROP;
  return count_verdict(*type == bpf_htons(255) ? XDP_DROP : XDP_PASS, labels);
}

// Into a map value with two cursors; then a reversed copy as the key of a suffix tree.
SEC("xdp")
int dns_zones(struct xdp_md* ctx) {
  struct cursor cursor;
  if (!take_dns(ctx, &cursor)) return XDP_PASS;
  __u32 zero = 0;
  struct name* name = bpf_map_lookup_elem(&scratch, &zero);
  if (!name) return XDP_ABORTED;
  __u32 length = 0;
#pragma clang loop unroll(disable)
  for (int i = 0; i < MAX_NAME - 1; i++) {
    char* c = cursor_take(&cursor, char);
    if (!c || *c == 0) break;
    name->text[i] = lower(*c);
    length = i + 1;
  }
  if (length == 0 || length >= MAX_NAME) return XDP_PASS;
  struct suffix_key key = {.bits = length * 8};
#pragma clang loop unroll(disable)
  for (__u32 i = 0; i < MAX_NAME - 1; i++) {
    if (i >= length) break;
    __u32 from = length - 1 - i;
    if (from < sizeof(name->text)) key.reversed[i] = name->text[from];
  }
  __u32* zone = bpf_map_lookup_elem(&zones, &key);
  return count_verdict(zone ? XDP_DROP : XDP_PASS, length);
}

char LICENSE[] SEC("license") = "GPL";
