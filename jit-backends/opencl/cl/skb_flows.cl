// SPDX-License-Identifier: Apache-2.0
//
// Where packets of the stack go, tunnel headers of routes, and what flow a packet is of (host/helpers/skb_redirect.cc,
// skb_lwt.cc, skb_hash.cc).

// ---- redirects: the host carries out the last one ----

#define FG_TC_ACT_SHOT 2
#define FG_TC_ACT_REDIRECT 7
#define FG_BPF_F_INGRESS 1ul
#define FG_ERANGE 34

static ulong fg_go(fg_run* run, uint kind, uint ifindex, ulong flags) {
  run->redirect = kind;
  run->redirect_key = ifindex;
  run->redirect_flags = flags;
  return FG_TC_ACT_REDIRECT;
}
static ulong fg_skb_redirect(fg_run* run, uint ifindex, ulong flags) {
  return (flags & ~FG_BPF_F_INGRESS) != 0 ? FG_TC_ACT_SHOT : fg_go(run, FG_REDIRECT_PORT, ifindex, flags);
}
static ulong fg_redirect_peer(fg_run* run, uint ifindex, ulong flags) {
  return flags != 0 ? FG_TC_ACT_SHOT : fg_go(run, FG_REDIRECT_PEER, ifindex, 0);
}
static ulong fg_redirect_neigh(fg_run* run, uint ifindex, int size, ulong flags) {
  const int least = 20;  // sizeof(struct bpf_redir_neigh)
  return (size != 0 && size < least) || flags != 0 ? FG_TC_ACT_SHOT : fg_go(run, FG_REDIRECT_NEIGH, ifindex, 0);
}

// Clones stand one after the other where the host asked for them, with as much room as the frame has.
typedef struct {
  ulong flags;
  uint ifindex, bytes;
} fg_clone;

static bool fg_is_port(fg_run* run, uint ifindex) {
  for (uint i = 0; i < run->batch->port_count; ++i) {
    if (run->ports[i] == ifindex) return true;
  }
  return false;
}

static ulong fg_clone_redirect(fg_run* run, uint ifindex, ulong flags) {
  if ((flags & ~FG_BPF_F_INGRESS) != 0 || !fg_is_port(run, ifindex)) return FG_ERROR(FG_EINVAL);
  const uint bytes = fg_skb_bytes(run);
  if (FG_SKB->mac_header >= FG_SKB->network_header || bytes == 0) return FG_ERROR(FG_ERANGE);
  if (FG_SKB->clones == FG_SKB->most_clones) {
    run->trap = FG_TRAP_ROOM;
    return 0;
  }
  const ulong at = run->packets + FG_SKB->clones_at + (ulong)FG_SKB->clone_bytes * FG_SKB->clones++;
  __global fg_clone* const clone = (__global fg_clone*)at;
  clone->flags = flags;
  clone->ifindex = ifindex;
  clone->bytes = bytes;
  fg_copy_in(run, FG_GLOBAL(at + sizeof(fg_clone)), run->packet + run->data, bytes);
  return 0;
}

// ---- bpf_lwt_push_encap ----

// The EtherType of the header, 0 if it is none.
static uint fg_header_protocol(fg_run* run, ulong header, uint bytes) {
  const uint most = 256;  // LWT_BPF_MAX_HEADROOM
  if (bytes < FG_IPV4_HEADER || bytes > most) return 0;
  const uint first = (uint)fg_load8_any(run, header);
  switch (first >> 4) {
    case 4:
      return bytes < (first & 15) * 4 ? 0 : FG_ETH_P_IP;
    case 6:
      return bytes < FG_IPV6_HEADER ? 0 : FG_ETH_P_IPV6;
    default:
      return 0;
  }
}

// An IPv4 header without a checksum gets one; one that says it is shorter than any is, its own first half word.
static void fg_complete_ipv4(fg_run* run) {
  const uint header = run->data, bytes = (fg_byte(run, header) & 15) * 4;
  if (fg_half(run, header + 10) != 0) return;
  const uint sum = fg_csum_fold(fg_csum_partial(run, run->packet + header, bytes, 0));
  fg_set_half(run, header + 10, bytes >= FG_IPV4_HEADER ? sum : fg_half(run, header));
}

static ulong fg_push_ip(fg_run* run, ulong header, uint bytes, bool received) {
  const uint protocol = fg_header_protocol(run, header, bytes);
  if (protocol == 0) return FG_ERROR(FG_EINVAL);
  if (!fg_room(run, bytes, (ulong)run->data)) return 0;
  FG_SKB->encapsulation = 1;
  fg_move_front(run, run->data - bytes);
  if (received) fg_bytes_come(run, header, bytes, 0);
  FG_SKB->network_header = run->data;
  fg_copy_in(run, FG_GLOBAL(run->packet + run->data), header, bytes);
  fg_clear_hash(run);
  fg_set_protocol(run, protocol);
  if (protocol == FG_ETH_P_IP) fg_complete_ipv4(run);
  return fg_is_gso(run) ? FG_ERROR(FG_ENOTSUPP) : 0;
}

// `received`: by a program of type lwt_in. No packet here has a route that segment routing could ask.
static ulong fg_lwt_push_encap(fg_run* run, uint type, ulong header, uint bytes, bool received) {
  const uint ip = 2;  // BPF_LWT_ENCAP_IP
  if (type == ip) return fg_push_ip(run, header, bytes, received);
  return type < ip && received ? FG_ERROR(FG_EOPNOTSUPP) : FG_ERROR(FG_EINVAL);
}

// ---- hashes ----

#define FG_SIDE_BYTES 18  // of a flow: an address and a port

static bool fg_has_ports(uint transport) { return transport == 6 || transport == 17 || transport == 132; }

static bool fg_is_behind(const uchar* a, const uchar* b) {
  for (uint i = 0; i < 16; ++i) {
    if (a[i] != b[i]) return a[i] > b[i];
  }
  return (a[16] | a[17] << 8) > (b[16] | b[17] << 8);
}

// Addresses and ports of both sides, as far as the packet has them; its transport protocol, 0 if it has none.
static uint fg_read_sides(fg_run* run, uchar* sides, bool ipv4) {
  const long start = fg_network_offset(run);
  const long header = fg_at(run, start, ipv4 ? FG_IPV4_HEADER : FG_IPV6_HEADER);
  if (header == FG_NOWHERE) return 0;
  const uint transport = fg_byte(run, header + (ipv4 ? 9 : 6)), bytes = ipv4 ? 4 : 16;
  for (uint side = 0; side < 2; ++side) {
    const long address = header + (ipv4 ? 12 : 8) + side * bytes;
    for (uint i = 0; i < bytes; ++i) sides[side * FG_SIDE_BYTES + i] = (uchar)fg_byte(run, address + i);
  }
  const uint header_bytes = ipv4 ? (fg_byte(run, header) & 15) * 4 : FG_IPV6_HEADER;
  const long ports = fg_has_ports(transport) ? fg_at(run, start + header_bytes, 4) : FG_NOWHERE;
  for (uint i = 0; ports != FG_NOWHERE && i < 4; ++i) {
    sides[i / 2 * FG_SIDE_BYTES + 16 + i % 2] = (uchar)fg_byte(run, ports + i);
  }
  return transport;
}

static uint fg_hash_byte(uint hash, uint byte) { return (hash ^ byte) * 0x01000193u; }

static uint fg_hash_of_flow(fg_run* run) {
  uchar sides[2 * FG_SIDE_BYTES];
  for (uint i = 0; i < 2 * FG_SIDE_BYTES; ++i) sides[i] = 0;
  const uint network = fg_protocol(run);
  const uint transport = fg_is_ip(network) ? fg_read_sides(run, sides, network == FG_ETH_P_IP) : 0;
  const uint first = fg_is_behind(sides, sides + FG_SIDE_BYTES) ? FG_SIDE_BYTES : 0;
  uint hash = 0x811c9dc5u;
  for (uint i = 0; i < 2 * FG_SIDE_BYTES; ++i) hash = fg_hash_byte(hash, sides[(first + i) % (2 * FG_SIDE_BYTES)]);
  hash = fg_hash_byte(fg_hash_byte(hash, network & 0xff), network >> 8);
  return max(fg_hash_byte(hash, transport), 1u);
}

static ulong fg_set_hash(fg_run* run, uint hash) {
  FG_SKB->hashed = 1;
  FG_SKB->hash = hash;
  return 0;
}
static ulong fg_get_hash(fg_run* run) {
  if (FG_SKB->hashed == 0) fg_set_hash(run, fg_hash_of_flow(run));
  return FG_SKB->hash;
}
static ulong fg_set_hash_invalid(fg_run* run) {
  fg_clear_hash(run);
  return 0;
}
