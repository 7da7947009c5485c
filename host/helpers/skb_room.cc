// SPDX-License-Identifier: Apache-2.0
//
// Room for network headers, and packets that change between IPv4 and IPv6 (net/core/filter.c bpf_skb_adjust_room,
// bpf_skb_change_proto, sk_skb_adjust_room).
#include <linux/bpf.h>

#include <cstdlib>
#include <optional>

#include "helpers/skb.h"

namespace forager::helpers {
namespace {

constexpr std::uint32_t kIpv4Header = 20, kIpv6Header = 40;
constexpr std::uint32_t kMaxChange = 0xfff;
// Of Linux 6.3.
constexpr u64 kDecapIpv4 = 1U << 7, kDecapIpv6 = 1U << 8;
constexpr u64 kDecap = kDecapIpv4 | kDecapIpv6;
constexpr u64 kEncap = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
constexpr u64 kTunnel = BPF_F_ADJ_ROOM_ENCAP_L4_GRE | BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
constexpr u64 kInnerMac = u64{BPF_ADJ_ROOM_ENCAP_L2_MASK} << BPF_ADJ_ROOM_ENCAP_L2_SHIFT;
constexpr u64 kGrowFlags = BPF_F_ADJ_ROOM_FIXED_GSO | kEncap | kTunnel | BPF_F_ADJ_ROOM_ENCAP_L2_ETH | kInnerMac |
                           BPF_F_ADJ_ROOM_NO_CSUM_RESET;
constexpr u64 kShrinkFlags = BPF_F_ADJ_ROOM_FIXED_GSO | kDecap | BPF_F_ADJ_ROOM_NO_CSUM_RESET;

bool has_all(u64 flags, u64 mask) { return (flags & mask) == mask; }

// ---- headers in and out: bpf_skb_net_hdr_push() and _pop() ----

void move_headers(Frame& frame, std::int64_t by) {
  Skb& skb = *frame.skb;
  const bool no_network_header = skb.transport_header == skb.network_header;
  skb.mac_header = static_cast<std::uint32_t>(skb.mac_header + by);
  skb.network_header = static_cast<std::uint32_t>(skb.network_header + by);
  if (no_network_header) skb.transport_header = skb.network_header;
}

// Zeros behind the first `offset` bytes; what those do not fill is tailroom, as in the kernel.
int insert(Frame& frame, std::uint32_t offset, std::uint32_t bytes) {
  if (!exec::skb_reserve(frame, bytes, offset)) return -ENOMEM;
  exec::skb_push(frame, bytes);
  std::byte* start = frame.buffer() + frame.data();
  std::memmove(start, start + bytes, offset);
  std::memset(start + offset, 0, bytes);
  move_headers(frame, -std::int64_t{bytes});
  return 0;
}

int remove(Frame& frame, std::uint32_t offset, std::uint32_t bytes) {
  std::byte* gone = writable_at(frame, offset, bytes);
  if (gone == nullptr) return -ENOMEM;
  bytes_leave(frame, {gone, bytes});
  std::byte* start = frame.buffer() + frame.data();
  std::memmove(start + bytes, start, offset);
  exec::skb_pull(frame, bytes);
  move_headers(frame, bytes);
  return 0;
}

std::uint32_t mac_header_length(const Frame& frame) { return frame.skb->network_header - frame.skb->mac_header; }

// The outer protocol is the one that the flags name, if they name one.
void follow_protocol(Frame& frame, u64 flags, u64 ipv4, u64 ipv6) {
  const std::uint16_t protocol = exec::skb_protocol(frame);
  if (protocol == ETH_P_IP && (flags & ipv6) != 0) exec::set_skb_protocol(frame, ETH_P_IPV6);
  if (protocol == ETH_P_IPV6 && (flags & ipv4) != 0) exec::set_skb_protocol(frame, ETH_P_IP);
}

// ---- bpf_skb_adjust_room ----

class Adjustment {
 public:
  Adjustment(Frame& frame, std::int32_t change, std::uint32_t mode, u64 flags)
      : frame_(frame), shrinks_(change < 0), flags_(flags), mode_(mode) {
    bytes_ = shrinks_ ? 0U - static_cast<std::uint32_t>(change) : static_cast<std::uint32_t>(change);
    const std::uint16_t protocol = exec::skb_protocol(frame);
    if (protocol == ETH_P_IP) base_ = kIpv4Header;
    if (protocol == ETH_P_IPV6) base_ = kIpv6Header;
  }

  int run() {
    for (const auto step : {&Adjustment::check, &Adjustment::check_decap, &Adjustment::check_length}) {
      if (const int error = (this->*step)(); error != 0) return error;
    }
    const std::uint32_t offset = mac_header_length(frame_) + (mode_ == BPF_ADJ_ROOM_NET ? base_ : 0);
    const int error = shrinks_ ? shrink(offset) : grow(offset);
    if (error == 0 && (flags_ & BPF_F_ADJ_ROOM_NO_CSUM_RESET) == 0) reset_checksum_unnecessary(frame_);
    return error;
  }

 private:
  int check() {
    if ((flags_ & ~(kGrowFlags | kShrinkFlags)) != 0) return -EINVAL;
    if (bytes_ > kMaxChange) return -EFAULT;
    return base_ == 0 || mode_ > BPF_ADJ_ROOM_MAC ? -kNotSupported : 0;
  }

  int check_decap() {
    least_ = base_;
    if ((flags_ & kDecap) == 0) return 0;
    if (!shrinks_ || has_all(flags_, kDecap)) return -EINVAL;
    least_ = (flags_ & kDecapIpv4) != 0 ? kIpv4Header : kIpv6Header;
    return 0;
  }

  int check_length() {
    const auto length = static_cast<std::uint32_t>(frame_.packet().size());
    const auto network = static_cast<std::uint32_t>(length - exec::skb_network_offset(frame_));
    if (shrinks_) return bytes_ >= network || network - bytes_ < least_ ? -kNotSupported : 0;
    return length + bytes_ > exec::kMaxSkbLength && !is_gso(frame_) ? -kNotSupported : 0;
  }

  // Segments of a type that is not TCP's cannot be resized, and ours have no type.
  int shrink(std::uint32_t offset) {
    if ((flags_ & ~kShrinkFlags) != 0) return -EINVAL;
    if (is_gso(frame_)) return -kNotSupported;
    const int error = remove(frame_, offset, bytes_);
    if (error == 0) follow_protocol(frame_, flags_, kDecapIpv4, kDecapIpv6);
    return error;
  }

  int check_encap() const {
    const std::uint32_t inner_mac = (flags_ & kInnerMac) >> BPF_ADJ_ROOM_ENCAP_L2_SHIFT;
    if (has_all(flags_, kEncap) || has_all(flags_, kTunnel)) return -EINVAL;
    if ((flags_ & BPF_F_ADJ_ROOM_ENCAP_L2_ETH) != 0 && inner_mac < ETH_HLEN) return -EINVAL;
    if (frame_.skb->encapsulation) return -EALREADY;
    return inner_mac > bytes_ ? -EINVAL : 0;
  }

  int grow(std::uint32_t offset) {
    if (is_gso(frame_)) return -kNotSupported;
    const bool encap = (flags_ & kEncap) != 0;
    if (const int error = encap ? check_encap() : 0; error != 0) return error;
    const int error = insert(frame_, offset, bytes_);
    if (error == 0 && encap) encapsulate();
    return error;
  }

  // The MAC header keeps its length, so that the network header is the new outer one.
  void encapsulate() {
    Skb& skb = *frame_.skb;
    skb.encapsulation = true;
    const std::uint32_t outer = (flags_ & BPF_F_ADJ_ROOM_ENCAP_L3_IPV6) != 0 ? kIpv6Header : kIpv4Header;
    if ((flags_ & kTunnel) != 0) skb.transport_header = skb.network_header + outer;
    follow_protocol(frame_, flags_, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4, BPF_F_ADJ_ROOM_ENCAP_L3_IPV6);
  }

  Frame& frame_;
  bool shrinks_;
  u64 flags_;
  std::uint32_t mode_, bytes_ = 0, base_ = 0, least_ = 0;
};

// At the front of a stream's packet there are no headers to spare.
int adjust_stream(Frame& frame, std::int32_t change, std::uint32_t mode, u64 flags) {
  const auto bytes = static_cast<std::uint32_t>(std::abs(std::int64_t{change}));
  if (flags != 0 || mode != 0) return -EINVAL;
  if (bytes > kMaxChange) return -EFAULT;
  if (change < 0) {
    if (writable_at(frame, 0, bytes) == nullptr) return -ENOMEM;
    exec::skb_pull(frame, bytes);
    return 0;
  }
  if (!exec::skb_reserve(frame, bytes)) return -ENOMEM;
  exec::skb_push(frame, bytes);
  std::memset(frame.buffer() + frame.data(), 0, bytes);
  return 0;
}

int translate(Frame& frame, std::uint16_t to) {
  constexpr std::uint32_t kDifference = kIpv6Header - kIpv4Header;
  const std::uint16_t from = exec::skb_protocol(frame);
  const std::uint32_t offset = mac_header_length(frame);
  int error = -kNotSupported;
  if (from == ETH_P_IP && to == ETH_P_IPV6) error = insert(frame, offset, kDifference);
  if (from == ETH_P_IPV6 && to == ETH_P_IP) error = remove(frame, offset, kDifference);
  if (error != 0) return error;
  exec::set_skb_protocol(frame, to);
  clear_hash(frame);
  return 0;
}

}  // namespace

u64 skb_adjust_room(RunContext& run, u64 ctx, u64 change, u64 mode, u64 flags, u64) {
  const auto by = static_cast<std::int32_t>(change);
  if (run.program->program().type() == isa::ProgType::sk_skb) {
    return result(adjust_stream(frame_of(ctx), by, low(mode), flags));
  }
  return result(Adjustment(frame_of(ctx), by, low(mode), flags).run());
}

u64 skb_change_proto(RunContext&, u64 ctx, u64 protocol, u64 flags, u64, u64) {
  if (flags != 0) return result(-EINVAL);
  return result(translate(frame_of(ctx), std::byteswap(static_cast<std::uint16_t>(protocol))));
}

}  // namespace forager::helpers
