// SPDX-License-Identifier: Apache-2.0
//
// Tunnel metadata of a packet (host/helpers/skb_tunnel.cc): it stands behind the packet's fg_skb, where programs ask.

// jit-backends/opencl/batch.h has the same.
typedef struct {
  uint present, ipv6, id, label;
  uchar tos, ttl;
  ushort flags;
  uint option_bytes;
  uchar source[16], destination[16], options[256];
} fg_tunnel;
#define FG_TUNNEL_INFO ((__global fg_tunnel*)(run->skb + sizeof(fg_skb)))

#define FG_EPROTO 71
#define FG_TUNNEL_IPV6 1ul        // BPF_F_TUNINFO_IPV6
#define FG_TUNNEL_OPTIONS 0xd800  // IP_TUNNEL_*_OPT_BIT
#define FG_MOST_OPTIONS 255u
// struct bpf_tunnel_key.
#define FG_KEY_BYTES 44u
#define FG_KEY_REMOTE 4
#define FG_KEY_TOS 20
#define FG_KEY_FLAGS 22
#define FG_KEY_LABEL 24
#define FG_KEY_LOCAL 28

// Those that the structure has had.
static bool fg_is_key_size(uint size) {
  return size == FG_KEY_BYTES || size == FG_KEY_LOCAL || size == FG_KEY_LABEL || size == FG_KEY_FLAGS || size == 8;
}

static ulong fg_cleared(fg_run* run, ulong to, uint size, int error) {
  for (uint i = 0; i < size; ++i) fg_store8_any(run, to + i, 0);
  return FG_ERROR(error);
}

// IPv4 stands in keys in host order.
static void fg_copy_address(uchar* to, const __global uchar* from, bool ipv6) {
  for (uint i = 0; i < (ipv6 ? 16 : 4); ++i) to[i] = from[ipv6 ? i : 3 - i];
}
static void fg_take_address(__global uchar* to, const uchar* from, bool ipv6) {
  for (uint i = 0; i < 16; ++i) to[i] = ipv6 ? from[i] : i < 4 ? from[3 - i] : 0;
}

static int fg_check_key(fg_run* run, uint size, ulong flags) {
  const ulong known = FG_TUNNEL_IPV6 | 1ul << 4;  // BPF_F_TUNINFO_FLAGS
  if (FG_TUNNEL_INFO->present == 0 || (flags & ~known) != 0) return FG_EINVAL;
  if ((FG_TUNNEL_INFO->ipv6 != 0) != ((flags & FG_TUNNEL_IPV6) != 0)) return FG_EPROTO;
  return !fg_is_key_size(size) || (size == 8 && FG_TUNNEL_INFO->ipv6 != 0) ? FG_EINVAL : 0;
}

// What a program has set has its addresses the other way round.
static ulong fg_get_tunnel_key(fg_run* run, ulong to, uint size, ulong flags) {
  const int error = fg_check_key(run, size, flags);
  if (error != 0) return fg_cleared(run, to, size, error);
  __global fg_tunnel* const info = FG_TUNNEL_INFO;
  const bool ipv6 = info->ipv6 != 0;
  uchar key[FG_KEY_BYTES];
  for (uint i = 0; i < FG_KEY_BYTES; ++i) key[i] = 0;
  fg_store32_stack(key, info->id);
  key[FG_KEY_TOS] = info->tos;
  key[FG_KEY_TOS + 1] = info->ttl;
  if ((flags & ~FG_TUNNEL_IPV6) != 0) fg_store16_stack(key + FG_KEY_FLAGS, fg_swap16(info->flags));
  fg_copy_address(key + FG_KEY_REMOTE, info->source, ipv6);
  fg_copy_address(key + FG_KEY_LOCAL, info->destination, ipv6);
  if (ipv6) fg_store32_stack(key + FG_KEY_LABEL, info->label);
  for (uint i = 0; i < size; ++i) fg_store8_any(run, to + i, key[i]);
  return 0;
}

// BPF_F_ZERO_CSUM_TX, _DONT_FRAGMENT, _SEQ_NUMBER, _NO_TUNNEL_KEY as IP_TUNNEL_*_BIT.
static ushort fg_tunnel_flags(ulong asked) {
  uint flags = 1u << 13;
  if ((asked & 2) == 0) flags |= 1u << 0;
  if ((asked & 16) == 0) flags |= 1u << 2;
  if ((asked & 4) != 0) flags |= 1u << 8;
  if ((asked & 8) != 0) flags |= 1u << 3;
  return (ushort)flags;
}

static ulong fg_set_tunnel_key(fg_run* run, ulong from, uint size, ulong flags) {
  const ulong known = 31;
  if ((flags & ~known) != 0 || !fg_is_key_size(size)) return FG_ERROR(FG_EINVAL);
  uchar key[FG_KEY_BYTES];
  for (uint i = 0; i < FG_KEY_BYTES; ++i) key[i] = i < size ? (uchar)fg_load8_any(run, from + i) : 0;
  const bool ipv6 = (flags & FG_TUNNEL_IPV6) != 0;
  const uint label = (uint)fg_load32_stack(key + FG_KEY_LABEL);
  if ((!ipv6 && label != 0) || fg_load16_stack(key + FG_KEY_FLAGS) != 0) return FG_ERROR(FG_EINVAL);
  __global fg_tunnel* const info = FG_TUNNEL_INFO;
  info->present = 1;
  info->ipv6 = ipv6 ? 1 : 0;
  info->id = (uint)fg_load32_stack(key);
  info->tos = key[FG_KEY_TOS];
  info->ttl = key[FG_KEY_TOS + 1];
  info->label = ipv6 ? label & 0xfffff : 0;
  info->flags = fg_tunnel_flags(flags);
  info->option_bytes = 0;
  fg_take_address(info->destination, key + FG_KEY_REMOTE, ipv6);
  fg_take_address(info->source, key + FG_KEY_LOCAL, ipv6);
  return 0;
}

static ulong fg_get_tunnel_opt(fg_run* run, ulong to, uint size) {
  __global fg_tunnel* const info = FG_TUNNEL_INFO;
  if (info->present == 0 || (info->flags & FG_TUNNEL_OPTIONS) == 0) return fg_cleared(run, to, size, FG_ENOENT);
  const uint bytes = min(info->option_bytes, FG_MOST_OPTIONS + 1);
  if (size < bytes) return fg_cleared(run, to, size, FG_ENOMEM);
  for (uint i = 0; i < size; ++i) fg_store8_any(run, to + i, i < bytes ? info->options[i] : 0);
  return bytes;
}

static ulong fg_set_tunnel_opt(fg_run* run, ulong from, ulong size) {
  __global fg_tunnel* const info = FG_TUNNEL_INFO;
  if (info->present == 0 || size % 4 != 0) return FG_ERROR(FG_EINVAL);
  if ((uint)size > FG_MOST_OPTIONS) return FG_ERROR(FG_ENOMEM);
  fg_copy_in(run, info->options, from, (uint)size);
  info->option_bytes = (uint)size;
  info->flags |= FG_TUNNEL_OPTIONS;
  return 0;
}
