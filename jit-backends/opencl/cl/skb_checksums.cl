// SPDX-License-Identifier: Apache-2.0
//
// Checksums in a packet, and what the stack knows about them (host/helpers/skb_checksum.cc, ones_complement.h): sums
// that programs can see are made by the same steps.

static uint fg_csum_add(uint sum, uint addend) {
  const ulong wide = (ulong)sum + addend;
  return (uint)(wide + (wide >> 32));
}
static uint fg_csum_sub(uint sum, uint addend) { return fg_csum_add(sum, ~addend); }

static uint fg_csum16_add(uint sum, uint addend) {
  const uint wide = (sum & 0xffff) + (addend & 0xffff);
  return (wide + (wide >> 16)) & 0xffff;
}
static uint fg_csum16_sub(uint sum, uint addend) { return fg_csum16_add(sum, ~addend); }
static uint fg_csum_fold(uint sum) { return ~(uint)fg_fold(sum) & 0xffff; }

// Of a block at an odd offset, the bytes change places.
static uint fg_csum_block_add(uint sum, uint block, uint offset) {
  return fg_csum_add(sum, offset % 2 == 0 ? block : rotate(block, 24u));
}

// ---- the packet's own sum ----

static bool fg_has_complete(fg_run* run) { return FG_SKB->ip_summed == FG_COMPLETE; }

static void fg_bytes_leave(fg_run* run, ulong from, uint size, uint offset) {
  if (!fg_has_complete(run)) return;
  FG_SKB->checksum = fg_csum_block_add(FG_SKB->checksum, ~fg_csum_partial(run, from, size, 0), offset);
}
static void fg_bytes_come(fg_run* run, ulong from, uint size, uint offset) {
  if (!fg_has_complete(run)) return;
  FG_SKB->checksum = fg_csum_block_add(FG_SKB->checksum, fg_csum_partial(run, from, size, 0), offset);
}

static void fg_reset_unnecessary(fg_run* run) {
  if (FG_SKB->ip_summed != FG_UNNECESSARY) return;
  FG_SKB->ip_summed = FG_SKB->checksum_level = 0;
}

static ulong fg_skb_store_bytes(fg_run* run, uint offset, ulong from, uint size, ulong flags) {
  const ulong recompute = 1, invalidate = 2;  // BPF_F_RECOMPUTE_CSUM, BPF_F_INVALIDATE_HASH
  if ((flags & ~(recompute | invalidate)) != 0) return FG_ERROR(FG_EINVAL);
  const long at = offset <= FG_MOST_OFFSET ? fg_writable(run, offset, size) : FG_NOWHERE;
  if (at == FG_NOWHERE) return FG_ERROR(FG_EFAULT);
  if ((flags & recompute) != 0) fg_bytes_leave(run, run->packet + at, size, offset);
  fg_copy_in(run, FG_GLOBAL(run->packet + at), from, size);
  if ((flags & recompute) != 0) fg_bytes_come(run, run->packet + at, size, offset);
  if ((flags & invalidate) != 0) fg_clear_hash(run);
  return 0;
}

// ---- checksum fields ----

#define FG_FIELD_SIZE 0xful  // BPF_F_HDR_FIELD_MASK
#define FG_PSEUDO_HEADER (1ul << 4)
#define FG_MARK_ZERO (1ul << 5)
#define FG_MARK_ENFORCE (1ul << 6)
#define FG_CSUM_IPV6 (1ul << 7)

// A checksum after the change of a field by its old and new value, or with a size of 0 by the difference of sums.
// False for sizes that there are none of.
static bool fg_replaced(uint sum, uint from, uint to, ulong size, uint* made) {
  switch (size) {
    case 0:
      *made = fg_csum_fold(fg_csum_add(to, ~sum));
      return from == 0;
    case 2:
      *made = ~fg_csum16_add(fg_csum16_sub(~sum, from), to) & 0xffff;
      return true;
    case 4:
      *made = fg_csum_fold(fg_csum_add(fg_csum_sub(~sum, from), to));
      return true;
    default:
      return false;
  }
}

static long fg_checksum_at(fg_run* run, uint offset) {
  return offset > 0xffff || offset % 2 != 0 ? FG_NOWHERE : fg_writable(run, offset, 2);
}

static ulong fg_l3_csum_replace(fg_run* run, uint offset, ulong from, ulong to, ulong flags) {
  if ((flags & ~FG_FIELD_SIZE) != 0) return FG_ERROR(FG_EINVAL);
  const long at = fg_checksum_at(run, offset);
  if (at == FG_NOWHERE) return FG_ERROR(FG_EFAULT);
  uint sum = 0;
  if (flags == 0 && from != 0) return FG_ERROR(FG_EINVAL);
  if (!fg_replaced(fg_half(run, at), (uint)from, (uint)to, flags, &sum)) return FG_ERROR(FG_EINVAL);
  fg_set_half(run, at, sum);
  return 0;
}

// The packet's own sum does not cover the pseudo header, and the checksum field, which it covers, changes by as much.
static void fg_follow_pseudo_header(fg_run* run, uint from, uint to, ulong size, ulong flags) {
  if (!fg_has_complete(run) || (flags & FG_PSEUDO_HEADER) == 0) return;
  const uint sum = FG_SKB->checksum;
  if (size != 0) {
    FG_SKB->checksum = ~fg_csum_add(fg_csum_sub(~sum, from), to);
  } else if ((flags & FG_CSUM_IPV6) == 0) {
    FG_SKB->checksum = ~fg_csum_sub(to, sum);
  }
}

// Fields of 2 bytes are widened, and go on as those of 4.
static ulong fg_l4_csum_replace(fg_run* run, uint offset, ulong from, ulong to, ulong flags) {
  const ulong known = FG_FIELD_SIZE | FG_PSEUDO_HEADER | FG_MARK_ZERO | FG_MARK_ENFORCE | FG_CSUM_IPV6;
  if ((flags & ~known) != 0) return FG_ERROR(FG_EINVAL);
  const long at = fg_checksum_at(run, offset);
  if (at == FG_NOWHERE) return FG_ERROR(FG_EFAULT);
  const bool mark_zero = (flags & FG_MARK_ZERO) != 0;
  const uint old = fg_half(run, at);
  if (mark_zero && (flags & FG_MARK_ENFORCE) == 0 && old == 0) return 0;
  const ulong asked = flags & FG_FIELD_SIZE, size = asked == 2 ? 4 : asked;
  if (size == 0 && from != 0) return FG_ERROR(FG_EINVAL);
  const uint mask = asked == 2 ? 0xffff : 0xffffffff;
  uint sum = 0;
  if (!fg_replaced(old, (uint)from & mask, (uint)to & mask, size, &sum)) return FG_ERROR(FG_EINVAL);
  fg_follow_pseudo_header(run, (uint)from & mask, (uint)to & mask, size, flags);
  fg_set_half(run, at, mark_zero && sum == 0 ? 0xffff : sum);
  return 0;
}

static ulong fg_csum_update(fg_run* run, uint addend) {
  if (!fg_has_complete(run)) return FG_ERROR(FG_ENOTSUPP);
  return FG_SKB->checksum = fg_csum_add(FG_SKB->checksum, addend);
}

static void fg_raise_level(fg_run* run) {
  const uint most = 3;  // SKB_MAX_CSUM_LEVEL
  if (FG_SKB->ip_summed == FG_UNNECESSARY) {
    if (FG_SKB->checksum_level < most) ++FG_SKB->checksum_level;
  } else if (FG_SKB->ip_summed == 0) {
    FG_SKB->ip_summed = FG_UNNECESSARY;
    FG_SKB->checksum_level = 0;
  }
}

static void fg_lower_level(fg_run* run) {
  if (FG_SKB->ip_summed != FG_UNNECESSARY) return;
  if (FG_SKB->checksum_level == 0) {
    FG_SKB->ip_summed = 0;
  } else {
    --FG_SKB->checksum_level;
  }
}

// BPF_CSUM_LEVEL_QUERY, _INC, _DEC, _RESET.
static ulong fg_csum_level(fg_run* run, ulong level) {
  switch (level) {
    case 0:
      return FG_SKB->ip_summed == FG_UNNECESSARY ? FG_SKB->checksum_level : FG_ERROR(FG_EACCES);
    case 1:
      fg_raise_level(run);
      return 0;
    case 2:
      fg_lower_level(run);
      return 0;
    case 3:
      fg_reset_unnecessary(run);
      return 0;
    default:
      return FG_ERROR(FG_EINVAL);
  }
}

// ---- congestion marks ----

static bool fg_is_vlan(uint protocol) { return protocol == 0x8100 || protocol == 0x88a8; }

// Beneath the tags in the bytes; 0 where they lead out of the packet.
static uint fg_network_protocol(fg_run* run) {
  const uint tag_bytes = 4, most_tags = 8;
  uint protocol = fg_protocol(run);
  const uint mac = FG_SKB->mac_length;
  uint depth = mac == 0 ? FG_ETHERNET_HEADER : mac - tag_bytes;
  for (uint tags = 1; fg_is_vlan(protocol); ++tags) {
    const long tag = fg_at(run, depth, tag_bytes);
    if (tag == FG_NOWHERE || tags == most_tags) return 0;
    protocol = fg_swap16(fg_half(run, tag + 2));
    depth += tag_bytes;
  }
  return protocol;
}

// The header's checksum follows by what the two bits change.
static ulong fg_mark_ipv4(fg_run* run, long header) {
  const uint tos = fg_byte(run, header + 1), mark = 3;
  if ((tos & mark) == 0) return 0;
  if ((tos & mark) == mark) return 1;
  const uint added = fg_swap16(mark - (tos & mark));
  fg_set_half(run, header + 10, fg_csum16_sub(fg_half(run, header + 10), added));
  FG_GLOBAL(run->packet)[header + 1] = (uchar)(tos | mark);
  return 1;
}

static ulong fg_mark_ipv6(fg_run* run, long header) {
  const uint mark = 0x00003000;  // in the first word, as it stands in memory
  const uint before = (uint)fg_load32_global(FG_GLOBAL(run->packet + header));
  if ((before & mark) == 0) return 0;
  fg_store32_global(FG_GLOBAL(run->packet + header), before | mark);
  if (fg_has_complete(run)) FG_SKB->checksum = fg_csum_add(fg_csum_sub(FG_SKB->checksum, before), before | mark);
  return 1;
}

static ulong fg_skb_ecn_set_ce(fg_run* run) {
  const uint protocol = fg_network_protocol(run);
  if (!fg_is_ip(protocol)) return 0;
  const uint bytes = protocol == FG_ETH_P_IP ? 20 : 40;
  const long header = fg_writable(run, fg_network_offset(run), bytes);
  if (fg_skb_bytes(run) < bytes || header == FG_NOWHERE) return 0;
  return protocol == FG_ETH_P_IP ? fg_mark_ipv4(run, header) : fg_mark_ipv6(run, header);
}
