// SPDX-License-Identifier: Apache-2.0
//
// A packet made longer or shorter at one of its ends (net/core/filter.c __bpf_skb_change_tail, __bpf_skb_change_head,
// sk_skb_adjust_room).
#include <algorithm>

#include "helpers/skb.h"

namespace forager::helpers {
namespace {

// Headers that the stack knows of stay in the packet (__bpf_skb_min_len).
std::uint32_t least_length(const Frame& frame) {
  std::int64_t least = std::max<std::int64_t>(exec::skb_network_offset(frame), 0);
  if (frame.skb->transport_header != Skb::kUnset) {
    const std::int64_t transport = std::int64_t{frame.skb->transport_header} - frame.data();
    if (transport > 0) least = transport;
  }
  return static_cast<std::uint32_t>(least);
}

int set_length(Frame& frame, std::uint32_t length) {
  const auto old = static_cast<std::uint32_t>(frame.packet().size());
  exec::skb_make_linear(frame, old);
  const std::uint32_t more = length > old ? length - old : 0;
  if (!exec::skb_reserve(frame, 0, more)) return -ENOMEM;
  std::memset(frame.buffer() + frame.packet_end(), 0, more);
  // __skb_grow_rcsum() and __skb_trim_rcsum(): the sum that came with the packet is given up.
  if (length != old && has_complete_checksum(frame)) frame.skb->ip_summed = Skb::Checksum::none;
  exec::skb_set_length(frame, length);
  return 0;
}

// skb_gso_reset(): what was to be cut into segments is one packet now.
void reset_segments(Frame& frame) {
  exec::set(frame, offsetof(__sk_buff, gso_size), std::uint32_t{0});
  exec::set(frame, offsetof(__sk_buff, gso_segs), std::uint32_t{0});
}

}  // namespace

u64 skb_change_tail(RunContext&, u64 ctx, u64 length, u64 flags, u64, u64) {
  Frame& frame = frame_of(ctx);
  if (flags != 0 || low(length) > exec::kMaxSkbLength || low(length) < least_length(frame)) return result(-EINVAL);
  if (frame.skb->encapsulation) return result(-kNotSupported);
  const int error = set_length(frame, low(length));
  if (error == 0 && is_gso(frame)) reset_segments(frame);
  return result(error);
}

u64 skb_change_head(RunContext&, u64 ctx, u64 size, u64 flags, u64, u64) {
  Frame& frame = frame_of(ctx);
  const std::uint32_t room = low(size);
  const std::uint64_t length = frame.packet().size() + room;
  const bool too_long = !is_gso(frame) && length > exec::kMaxSkbLength;
  if (flags != 0 || static_cast<std::int32_t>(room) < 0 || too_long) return result(-EINVAL);
  if (!exec::skb_reserve(frame, room)) return result(-ENOMEM);
  exec::skb_push(frame, room);
  std::memset(frame.buffer() + frame.data(), 0, room);
  frame.skb->mac_header = frame.data();
  frame.skb->mac_length = static_cast<std::uint16_t>(frame.skb->network_header - frame.skb->mac_header);
  return 0;
}

}  // namespace forager::helpers
