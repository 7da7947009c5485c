// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Access ports of a VLAN trunk: takes the outer tag off and redirects the frame to the port that `access_ports`, a
// device map with sparse keys, lists under the VLAN id. Untagged frames pass; a VLAN without a port drops.
//
//   before  | destination, source | tag | EtherType | ...
//   after         | destination, source | EtherType | ...       the head shrinks by the four bytes of the tag
//
// Tested by: its rows of matrix.txt.
#include "ethernet.h"
#include "verdicts.h"

struct tagged_ethernet {
  struct ethernet_header ethernet;
  struct vlan_tag tag;
};

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
  __uint(max_entries, 64);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} access_ports SEC(".maps");

// The EtherType behind the tag already stands where the shorter header wants it; only the addresses move.
static __always_inline bool pop_tag(struct xdp_md* ctx, const struct ethernet_header* tagged) {
  struct mac_address destination = tagged->destination;
  struct mac_address source = tagged->source;
  if (bpf_xdp_adjust_head(ctx, sizeof(struct vlan_tag))) return false;
  struct cursor cursor = cursor_at_start(ctx);
  struct ethernet_header* ethernet = cursor_take(&cursor, struct ethernet_header);
  if (!ethernet) return false;
  ethernet->destination = destination;
  ethernet->source = source;
  return true;
}

SEC("xdp")
int xdp_redirect_devmap_hash(struct xdp_md* ctx) {
  __u64 bytes = frame_length(ctx);
  struct cursor cursor = cursor_at_start(ctx);
  struct tagged_ethernet* frame = cursor_take(&cursor, struct tagged_ethernet);
  if (!frame || !is_vlan(frame->ethernet.protocol)) return count_verdict(XDP_PASS, bytes);
  __u32 vlan_id = bpf_ntohs(frame->tag.control) & VLAN_ID_MASK;
  if (!pop_tag(ctx, &frame->ethernet)) return count_verdict(XDP_DROP, bytes);
  return count_verdict(bpf_redirect_map(&access_ports, vlan_id, XDP_DROP), bytes);
}

char LICENSE[] SEC("license") = "GPL";
