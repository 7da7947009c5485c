// SPDX-License-Identifier: Apache-2.0
//
// What the helpers of __sk_buff share: the frame behind a context argument, writable ranges of its packet, and the
// upkeep of a packet's complete checksum (linux/skbuff.h skb_postpull_rcsum and _postpush_rcsum).
//
// Tested by: tests/unit/helpers_skb_kernel_test.cc.
#pragma once

#include <linux/if_ether.h>

#include <cerrno>
#include <cstring>

#include "exec/skb.h"
#include "helpers/functions.h"
#include "helpers/ones_complement.h"

namespace forager::helpers {

using exec::Frame;
using exec::Skb;

inline constexpr int kNotSupported = exec::kNotSupported;

[[nodiscard]] inline Frame& frame_of(u64 context) { return *pointer<Frame>(context); }
[[nodiscard]] inline std::uint32_t low(u64 value) { return static_cast<std::uint32_t>(value); }

// skb_header_pointer(): packet bytes, or nothing where the packet does not have all of them. `offset` counts from
// data(), and may be negative down to the link header.
[[nodiscard]] inline std::byte* packet_at(Frame& frame, std::int64_t offset, std::uint64_t size) {
  const std::int64_t at = frame.data() + offset;
  const bool inside = at >= 0 && static_cast<std::uint64_t>(at) + size <= frame.packet_end();
  return inside ? frame.buffer() + at : nullptr;
}

// bpf_try_make_writable(): the same for bytes that are going to change.
[[nodiscard]] inline std::byte* writable_at(Frame& frame, std::int64_t offset, std::uint64_t size) {
  std::byte* found = packet_at(frame, offset, size);
  const std::int64_t end = offset + static_cast<std::int64_t>(size);
  if (found != nullptr && end > 0) exec::skb_make_linear(frame, static_cast<std::uint64_t>(end));
  return found;
}

template <class T>
[[nodiscard]] T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void store(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

[[nodiscard]] inline bool has_complete_checksum(const Frame& frame) {
  return frame.skb->ip_summed == Skb::Checksum::complete;
}
// These bytes, at an offset in what the checksum covers, are about to leave the packet, or have come into it.
inline void bytes_leave(Frame& frame, std::span<const std::byte> gone, std::size_t offset = 0) {
  if (!has_complete_checksum(frame)) return;
  frame.skb->checksum = csum_block_sub(frame.skb->checksum, csum_partial(gone, 0), offset);
}
inline void bytes_come(Frame& frame, std::span<const std::byte> come, std::size_t offset = 0) {
  if (!has_complete_checksum(frame)) return;
  frame.skb->checksum = csum_block_add(frame.skb->checksum, csum_partial(come, 0), offset);
}

inline void clear_hash(Frame& frame) {
  frame.skb->hashed = false;
  exec::set(frame, offsetof(__sk_buff, hash), std::uint32_t{0});
}

// skb_is_gso(). The packets of test runs have a size of segments at most, no type of them (SKB_GSO_*).
[[nodiscard]] inline bool is_gso(const Frame& frame) {
  return exec::get<std::uint32_t>(frame, offsetof(__sk_buff, gso_size)) != 0;
}

// __skb_reset_checksum_unnecessary().
inline void reset_checksum_unnecessary(Frame& frame) {
  if (frame.skb->ip_summed != Skb::Checksum::unnecessary) return;
  frame.skb->ip_summed = Skb::Checksum::none;
  frame.skb->checksum_level = 0;
}

}  // namespace forager::helpers
