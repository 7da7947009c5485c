// SPDX-License-Identifier: Apache-2.0
//
// Packets of programs that see a __sk_buff: the context, which travels with the packet, and bytes by offset. Only such
// programs get the files skb*.cl. They do what host/exec/skb.h and host/helpers/skb_*.cc do, step by step.

// struct __sk_buff, and what the stack knows besides (exec::Skb). jit-backends/opencl/batch.h has the same.
typedef struct {
  uint len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto;
  uint priority, ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end, napi_id;
  uint family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port, data_meta;
  ulong flow_keys, tstamp;
  uint wire_len, gso_segs;
  ulong sk;
  uint gso_size;
  uchar tstamp_type, unused[3];
  ulong hwtstamp;
  uint mac_header, network_header, transport_header, mac_length;  // offsets in the frame
  uint encapsulation, hashed, ip_summed, checksum_level, checksum, queue;
  uint clones, most_clones;  // packets that were sent on their way (skb_redirects.cl)
  ulong clones_at;
  uint clone_bytes, unused_too;
  ulong socket_cookie, netns_cookie, cgroup;  // of its socket
  uint uid, classid;
} fg_skb;
#define FG_SKB ((__global fg_skb*)run->skb)

#define FG_UNSET 0xffffffffu
#define FG_UNNECESSARY 1u  // of ip_summed
#define FG_COMPLETE 2u

#define FG_ETH_P_IP 0x800u
#define FG_ETH_P_IPV6 0x86ddu
#define FG_MOST_SKB_BYTES 16064u  // exec::kMaxSkbLength
#define FG_MOST_OFFSET 0x7fffffffu
#define FG_NOWHERE (-1l)
#define FG_ENOTSUPP 524

static uint fg_swap16(uint value) { return (value << 8 | (value >> 8 & 0xff)) & 0xffff; }

// In host order.
static uint fg_protocol(fg_run* run) { return fg_swap16(FG_SKB->protocol & 0xffff); }
static void fg_set_protocol(fg_run* run, uint protocol) { FG_SKB->protocol = fg_swap16(protocol); }

static uint fg_skb_bytes(fg_run* run) { return run->packet_end - run->data; }
static bool fg_is_gso(fg_run* run) { return FG_SKB->gso_size != 0; }
static long fg_network_offset(fg_run* run) { return (long)FG_SKB->network_header - (long)run->data; }
static void fg_clear_hash(fg_run* run) { FG_SKB->hashed = FG_SKB->hash = 0; }

// ---- fields that are narrower than the context's ----

static void fg_settle_queue(fg_run* run) {
  if (FG_SKB->queue_mapping < 0xffff) FG_SKB->queue = FG_SKB->queue_mapping;
  FG_SKB->queue_mapping = FG_SKB->queue;
}
static void fg_settle_index(fg_run* run) { FG_SKB->tc_index &= 0xffff; }
static void fg_settle_classid(fg_run* run) { FG_SKB->tc_classid &= 0xffff; }

// ---- the packet's edges ----

// Where the frame has bytes of the packet; `offset` counts from data, and may be negative down to the link header.
static long fg_at(fg_run* run, long offset, uint size) {
  const long at = (long)run->data + offset;
  return at >= 0 && at + (long)size <= (long)run->packet_end ? at : FG_NOWHERE;
}

static void fg_make_linear(fg_run* run, ulong bytes) {
  if (bytes > run->end - run->data) run->end = run->data + (uint)min(bytes, (ulong)fg_skb_bytes(run));
}

// The same for bytes that are going to change.
static long fg_writable(fg_run* run, long offset, uint size) {
  const long at = fg_at(run, offset, size), end = offset + (long)size;
  if (at != FG_NOWHERE && end > 0) fg_make_linear(run, (ulong)end);
  return at;
}

// Frames have got the room that the program's helpers can ask for (staging_skb.cc); false, and the packet is stopped,
// if it is not there.
static bool fg_room(fg_run* run, ulong head, ulong end) {
  if (head <= run->data && end <= run->limit) return true;
  run->trap = FG_TRAP_ROOM;
  return false;
}

// Moves the packet's front; room has been made, or the packet has the bytes.
static void fg_move_front(fg_run* run, uint front) {
  run->data = run->meta = front;
  FG_SKB->len = fg_skb_bytes(run);
}

static void fg_zero(fg_run* run, uint from, uint bytes) {
  for (uint i = 0; i < bytes; ++i) FG_GLOBAL(run->packet)[from + i] = 0;
}
static void fg_move_down(fg_run* run, uint to, uint from, uint bytes) {
  for (uint i = 0; i < bytes; ++i) FG_GLOBAL(run->packet)[to + i] = FG_GLOBAL(run->packet)[from + i];
}
static void fg_move_up(fg_run* run, uint to, uint from, uint bytes) {
  for (uint i = bytes; i > 0; --i) FG_GLOBAL(run->packet)[to + i - 1] = FG_GLOBAL(run->packet)[from + i - 1];
}

static uint fg_byte(fg_run* run, long at) { return FG_GLOBAL(run->packet)[at]; }
static uint fg_half(fg_run* run, long at) { return (uint)fg_load16_global(FG_GLOBAL(run->packet + at)); }
static void fg_set_half(fg_run* run, long at, uint value) { fg_store16_global(FG_GLOBAL(run->packet + at), value); }

// ---- legacy packet access ----

// False: the packet has no such bytes, and the function ends with 0.
static bool fg_load_packet(fg_run* run, uint index, uint bytes, ulong* value) {
  const long network = -0x100000, link = -0x200000;
  long at = (int)index;
  if (at >= 0) {
    at += run->data;
  } else if (at >= network) {
    at += (long)FG_SKB->network_header - network;
  } else if (at >= link) {
    at += (long)FG_SKB->mac_header - link;
  }
  if (at < (long)min(FG_SKB->mac_header, run->data) || at + (long)bytes > (long)run->packet_end) return false;
  ulong read = 0;
  for (uint i = 0; i < bytes; ++i) read = read << 8 | fg_byte(run, at + i);
  *value = read;
  return true;
}

// ---- bytes ----

// A load that fails leaves zeros.
static ulong fg_copy_out(fg_run* run, long from, ulong to, uint size) {
  for (uint i = 0; i < size; ++i) fg_store8_any(run, to + i, from == FG_NOWHERE ? 0 : fg_byte(run, from + i));
  return from == FG_NOWHERE ? FG_ERROR(FG_EFAULT) : 0;
}

static ulong fg_skb_load_bytes(fg_run* run, uint offset, ulong to, uint size) {
  return fg_copy_out(run, offset <= FG_MOST_OFFSET ? fg_at(run, offset, size) : FG_NOWHERE, to, size);
}

// `start`: BPF_HDR_START_MAC or _NET.
static ulong fg_skb_load_relative(fg_run* run, uint offset, ulong to, uint size, uint start) {
  long at = FG_NOWHERE;
  if (start <= 1 && offset <= 0xffff) {
    const long base = start == 0 ? (long)FG_SKB->mac_header - (long)run->data : fg_network_offset(run);
    at = fg_at(run, base + offset, size);
  }
  return fg_copy_out(run, at, to, size);
}

static ulong fg_skb_pull_data(fg_run* run, uint size) {
  if (size > fg_skb_bytes(run)) return FG_ERROR(FG_ENOMEM);
  fg_make_linear(run, size);
  return 0;
}

// ---- fields ----

static ulong fg_skb_change_type(fg_run* run, uint type) {
  const uint most = 3;  // PACKET_OTHERHOST
  if (FG_SKB->pkt_type > most || type > most) return FG_ERROR(FG_EINVAL);
  FG_SKB->pkt_type = type;
  return 0;
}

static bool fg_is_ip(uint protocol) { return protocol == FG_ETH_P_IP || protocol == FG_ETH_P_IPV6; }

static ulong fg_skb_set_tstamp(fg_run* run, ulong stamp, uint clock) {
  const uint last = 2;  // BPF_SKB_CLOCK_TAI
  if (!fg_is_ip(fg_protocol(run))) return FG_ERROR(FG_EOPNOTSUPP);
  if (clock > last || (clock != 0 && stamp == 0)) return FG_ERROR(FG_EINVAL);
  FG_SKB->tstamp = stamp;
  FG_SKB->tstamp_type = (uchar)clock;
  return 0;
}

static ulong fg_skb_get_xfrm_state(fg_run* run, ulong to, uint size) {
  for (uint i = 0; i < size; ++i) fg_store8_any(run, to + i, 0);
  return FG_ERROR(FG_EINVAL);
}
