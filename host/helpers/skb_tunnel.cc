// SPDX-License-Identifier: Apache-2.0
//
// Tunnel metadata of a packet (net/core/filter.c bpf_skb_get_tunnel_key and its like). What a program sets is for the
// device that sends the packet on; what it gets is what came with the packet, or what it has set itself, whose remote
// and local address change places then, as in Linux.
#include <linux/bpf.h>

#include <algorithm>
#include <bit>

#include "helpers/skb.h"

namespace forager::helpers {
namespace {

using exec::TunnelInfo;

// IP_TUNNEL_*_BIT.
enum TunnelFlag : std::uint16_t {
  kChecksum = 1U << 0,
  kKey = 1U << 2,
  kSequence = 1U << 3,
  kDontFragment = 1U << 8,
  kNoCache = 1U << 13,
  kOptions = 1U << 11 | 1U << 12 | 1U << 14 | 1U << 15,  // of Geneve, VXLAN, ERSPAN, GTP
};
constexpr u64 kNoTunnelKey = 1U << 4;  // BPF_F_NO_TUNNEL_KEY, since Linux 6.2
constexpr u64 kSetFlags =
    BPF_F_ZERO_CSUM_TX | BPF_F_DONT_FRAGMENT | BPF_F_SEQ_NUMBER | kNoTunnelKey | BPF_F_TUNINFO_IPV6;
constexpr u64 kGetFlags = BPF_F_TUNINFO_IPV6 | BPF_F_TUNINFO_FLAGS;
constexpr std::uint32_t kLabelMask = 0x000fffff;
constexpr std::uint32_t kMaxOptions = 255;  // IP_TUNNEL_OPTS_MAX

// struct bpf_tunnel_key has grown; these are the sizes it has had.
constexpr std::uint32_t kOldest = offsetof(bpf_tunnel_key, remote_ipv6[1]);
bool is_known_size(std::uint32_t size) {
  return size == sizeof(bpf_tunnel_key) || size == offsetof(bpf_tunnel_key, local_ipv6) ||
         size == offsetof(bpf_tunnel_key, tunnel_label) || size == offsetof(bpf_tunnel_key, tunnel_ext) ||
         size == kOldest;
}

std::uint32_t host_ipv4(const exec::Address& address) { return std::byteswap(load<std::uint32_t>(address.data())); }
exec::Address network_ipv4(std::uint32_t address) {
  exec::Address out{};
  store(out.data(), std::byteswap(address));
  return out;
}

std::uint16_t flags_of(u64 asked) {
  unsigned flags = kNoCache;
  if ((asked & BPF_F_ZERO_CSUM_TX) == 0) flags |= kChecksum;
  if ((asked & kNoTunnelKey) == 0) flags |= kKey;
  if ((asked & BPF_F_DONT_FRAGMENT) != 0) flags |= kDontFragment;
  if ((asked & BPF_F_SEQ_NUMBER) != 0) flags |= kSequence;
  return static_cast<std::uint16_t>(flags);
}

TunnelInfo info_of(const bpf_tunnel_key& key, u64 flags) {
  TunnelInfo info{.ipv6 = (flags & BPF_F_TUNINFO_IPV6) != 0,
                  .id = key.tunnel_id,
                  .tos = key.tunnel_tos,
                  .ttl = key.tunnel_ttl,
                  .flags = flags_of(flags)};
  if (info.ipv6) {
    std::memcpy(info.destination.data(), key.remote_ipv6, sizeof key.remote_ipv6);
    std::memcpy(info.source.data(), key.local_ipv6, sizeof key.local_ipv6);
    info.label = key.tunnel_label & kLabelMask;
  } else {
    info.destination = network_ipv4(key.remote_ipv4);
    info.source = network_ipv4(key.local_ipv4);
  }
  return info;
}

bpf_tunnel_key key_of(const TunnelInfo& info, bool with_flags) {
  bpf_tunnel_key key{};
  key.tunnel_id = info.id;
  key.tunnel_tos = info.tos;
  key.tunnel_ttl = info.ttl;
  if (with_flags) store(&key.tunnel_ext, std::byteswap(info.flags));
  if (info.ipv6) {
    std::memcpy(key.remote_ipv6, info.source.data(), sizeof key.remote_ipv6);
    std::memcpy(key.local_ipv6, info.destination.data(), sizeof key.local_ipv6);
    key.tunnel_label = info.label;
  } else {
    key.remote_ipv4 = host_ipv4(info.source);
    key.local_ipv4 = host_ipv4(info.destination);
  }
  return key;
}

int check_get(const std::optional<TunnelInfo>& info, std::uint32_t size, u64 flags) {
  if (!info || (flags & ~kGetFlags) != 0) return -EINVAL;
  if (info->ipv6 != ((flags & BPF_F_TUNINFO_IPV6) != 0)) return -EPROTO;
  return !is_known_size(size) || (size == kOldest && info->ipv6) ? -EINVAL : 0;
}

u64 cleared(u64 to, std::uint32_t size, int error) {
  std::memset(pointer<void>(to), 0, size);
  return result(error);
}

}  // namespace

u64 skb_get_tunnel_key(RunContext&, u64 ctx, u64 to, u64 size, u64 flags, u64) {
  const auto& info = frame_of(ctx).skb->tunnel;
  if (const int error = check_get(info, low(size), flags); error != 0) return cleared(to, low(size), error);
  const bpf_tunnel_key key = key_of(*info, (flags & BPF_F_TUNINFO_FLAGS) != 0);
  std::memcpy(pointer<void>(to), &key, low(size));
  return 0;
}

u64 skb_set_tunnel_key(RunContext&, u64 ctx, u64 from, u64 size, u64 flags, u64) {
  if ((flags & ~kSetFlags) != 0 || !is_known_size(low(size))) return result(-EINVAL);
  bpf_tunnel_key key{};
  std::memcpy(&key, pointer<void>(from), low(size));
  const bool labelled_ipv4 = (flags & BPF_F_TUNINFO_IPV6) == 0 && key.tunnel_label != 0;
  if (labelled_ipv4 || key.tunnel_ext != 0) return result(-EINVAL);
  frame_of(ctx).skb->tunnel = info_of(key, flags);
  return 0;
}

u64 skb_get_tunnel_opt(RunContext&, u64 ctx, u64 to, u64 size, u64, u64) {
  const auto& info = frame_of(ctx).skb->tunnel;
  if (!info || (info->flags & kOptions) == 0) return cleared(to, low(size), -ENOENT);
  const auto& options = info->options;
  if (low(size) < options.size()) return cleared(to, low(size), -ENOMEM);
  std::memset(pointer<void>(to), 0, low(size));
  std::ranges::copy(options, pointer<std::byte>(to));
  return options.size();
}

u64 skb_set_tunnel_opt(RunContext&, u64 ctx, u64 from, u64 size, u64, u64) {
  auto& info = frame_of(ctx).skb->tunnel;
  if (!info || size % 4 != 0) return result(-EINVAL);
  if (low(size) > kMaxOptions) return result(-ENOMEM);
  const auto options = bytes(from, low(size));
  info->options.assign(options.begin(), options.end());
  info->flags |= kOptions;
  return 0;
}

}  // namespace forager::helpers
