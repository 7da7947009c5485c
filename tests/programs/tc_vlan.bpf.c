// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The edge of a provider's network: untagged packets get the customer's tag, tagged ones a service tag in front, and
// packets that have two lose the outer. What got a service tag is mirrored to the loopback, where a monitor listens.
//
// Tested by: its rows of matrix.txt.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "counter.h"

#define CUSTOMER 100
#define SERVICE 200
#define MONITOR 1
#define INNER_TYPE_AT (ETH_HLEN + 2)

enum way { UNTAGGED, TAGGED, DOUBLE, WAYS };

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, WAYS);
  __type(key, __u32);
  __type(value, struct counter);
} ways SEC(".maps");

static __always_inline bool is_tag(__be16 type) {
  return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

static __always_inline __u32 way_of(struct __sk_buff* skb) {
  __be16 inner = 0;
  if (!is_tag(skb->protocol)) return UNTAGGED;
  bpf_skb_load_bytes(skb, INNER_TYPE_AT, &inner, sizeof(inner));
  return is_tag(inner) ? DOUBLE : TAGGED;
}

static __always_inline long change(struct __sk_buff* skb, __u32 way) {
  switch (way) {
    case UNTAGGED:
      return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), CUSTOMER);
    case TAGGED:
      if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), SERVICE)) return -1;
      return bpf_clone_redirect(skb, MONITOR, 0);
    default:
      return bpf_skb_vlan_pop(skb);
  }
}

SEC("tc")
int tc_vlan(struct __sk_buff* skb) {
  __u32 way = way_of(skb);
  struct counter* counter = bpf_map_lookup_elem(&ways, &way);
  if (counter) count_per_cpu(counter, skb->len);
  if (change(skb, way)) return TC_ACT_SHOT;
  skb->priority = skb->vlan_present ? skb->vlan_tci & 0xfff : 0;
  return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
