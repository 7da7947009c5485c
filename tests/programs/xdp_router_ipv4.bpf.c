// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// An IPv4 router. Longest-prefix match finds the next hop, the neighbour table its MAC address and port, and the frame
// leaves through a device map with one hop less to live.
//
//   destination ──▶ cache ──hit──────────────────────────────▶ adjacency ──▶ rewrite ──▶ redirect
//                     └─miss──▶ routes ──next hop──▶ neighbours ───┘ (remembered in the cache)
//
// The control plane fills `routes`, `neighbours` and `ports`, and empties `cache` when it changes them. What needs more
// than forwarding (no neighbour yet, time to live over, options) passes to the host's stack.
//
// Tested by: its rows of matrix.txt.
#include "checksum.h"

#define MAX_PORTS 16

// Where a packet goes next: the addresses of the frame, and the port's index in `ports`.
struct adjacency {
  struct mac_address destination;
  struct mac_address source;
  __u32 port;
};

struct route_key {
  __u32 prefix_length;
  __be32 prefix;
};

struct route {
  __be32 next_hop;  // 0: the destination itself, on a network of ours
};

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 1024);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct route_key);
  __type(value, struct route);
} routes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 256);
  __type(key, __be32);  // the next hop
  __type(value, struct adjacency);
} neighbours SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __be32);  // the destination
  __type(value, struct adjacency);
} cache SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, MAX_PORTS);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} ports SEC(".maps");

struct router_stats {
  __u64 forwarded_by_cache;
  __u64 forwarded_by_route;
  __u64 no_route;
  __u64 no_neighbour;
  __u64 ttl_expired;
  __u64 has_options;
  __u64 not_ipv4;
  __u64 malformed;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct router_stats);
} stats SEC(".maps");

// The adjacency by the tables alone; NULL with the reason counted.
static __always_inline struct adjacency* resolve(__be32 destination, struct router_stats* counts) {
  struct route_key key = {.prefix_length = 32, .prefix = destination};
  struct route* route = bpf_map_lookup_elem(&routes, &key);
  if (!route) {
    counts->no_route++;
    return NULL;
  }
  __be32 next_hop = route->next_hop ? route->next_hop : destination;
  struct adjacency* adjacency = bpf_map_lookup_elem(&neighbours, &next_hop);
  if (!adjacency) counts->no_neighbour++;
  return adjacency;
}

static __always_inline struct adjacency* find_adjacency(__be32 destination, struct router_stats* counts) {
  struct adjacency* adjacency = bpf_map_lookup_elem(&cache, &destination);
  if (adjacency) {
    counts->forwarded_by_cache++;
    return adjacency;
  }
  adjacency = resolve(destination, counts);
  if (!adjacency) return NULL;
  counts->forwarded_by_route++;
  bpf_map_update_elem(&cache, &destination, adjacency, BPF_ANY);  // a full cache costs time, nothing else
  return adjacency;
}

static __always_inline int forward(struct ethernet_header* ethernet, struct iphdr* ip, struct router_stats* counts) {
  struct adjacency* adjacency = find_adjacency(ip->daddr, counts);
  if (!adjacency) return XDP_PASS;
  decrement_ttl(ip);
  ethernet->destination = adjacency->destination;
  ethernet->source = adjacency->source;
  return bpf_redirect_map(&ports, adjacency->port, XDP_DROP);
}

SEC("xdp")
int xdp_router_ipv4(struct xdp_md* ctx) {
  __u32 zero = 0;
  struct router_stats* counts = bpf_map_lookup_elem(&stats, &zero);
  if (!counts) return XDP_ABORTED;
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet || ethernet->protocol != bpf_htons(ETH_P_IP)) {
    counts->not_ipv4++;
    return XDP_PASS;
  }
  struct iphdr* ip = cursor_take(&cursor, struct iphdr);
  if (!ip || ip->version != 4 || ip->ihl < 5) {
    counts->malformed++;
    return XDP_DROP;
  }
  if (ip->ihl > 5) {
    counts->has_options++;
    return XDP_PASS;
  }
  if (ip->ttl <= 1) {
    counts->ttl_expired++;
    return XDP_PASS;
  }
  return forward(ethernet, ip, counts);
}

char LICENSE[] SEC("license") = "GPL";
