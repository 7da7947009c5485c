// SPDX-License-Identifier: Apache-2.0
//
// Frame geometry and the three helpers that change it, step by step as bpf_xdp_adjust_* of net/core/filter.c do it.
//
// Tested by: tests/unit/exec_frame_test.cc, and against the kernel by tests/unit/helpers_kernel_test.cc and
// syscall_test_run_kernel_test.cc.
#include "exec/frame.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace forager::exec {
namespace {

constexpr std::int64_t kEthernetHeader = 14;  // ETH_HLEN: no packet is made shorter
constexpr std::int64_t kMaxMetadata = 255;    // what skb_shared_info.meta_len holds

std::unexpected<Diagnostic> too_large(std::string what, std::uint64_t limit, std::uint64_t asked) {
  auto error = fail(ErrorKind::limit, E2BIG, std::move(what));
  error.error().limit = limit;
  error.error().asked = asked;
  return error;
}

}  // namespace

Result<Frame> Frame::make(std::span<const std::byte> packet) {
  auto frame = make(packet, kHeadroom);
  if (!frame) return frame;
  const std::size_t needed = kHeadroom + packet.size() + kTailReserve;
  frame->buffer_.resize((needed + kFrameBytes - 1) / kFrameBytes * kFrameBytes);
  frame->reserve_ = kTailReserve;
  frame->head_limit_ = kFrameHeader;
  return frame;
}

Result<Frame> Frame::make(std::span<const std::byte> packet, std::uint32_t headroom) {
  if (packet.size() > kMaxPacketBytes) return too_large("packet too large, in bytes", kMaxPacketBytes, packet.size());
  Frame frame;
  frame.buffer_.resize(headroom + packet.size());
  frame.data_meta_ = frame.data_ = headroom;
  frame.data_end_ = frame.packet_end_ = frame.capacity();
  std::ranges::copy(packet, frame.buffer_.begin() + headroom);
  return frame;
}

Frame Frame::raw(std::span<const std::byte> memory) {
  Frame frame;
  frame.buffer_.assign(memory.begin(), memory.end());
  frame.data_end_ = frame.packet_end_ = frame.capacity();
  return frame;
}

// An XDP frame gets room for the last fragment to grow, and the linear part that of one buffer, whatever it had before.
void Frame::set_linear(std::uint32_t bytes) {
  data_end_ = data_ + std::min(bytes, packet_end_ - data_);
  if (data_end_ == packet_end_ || reserve_ == 0) return;
  buffer_.resize(std::max(capacity(), packet_end_ + last_fragment_room()));
  reserve_ = capacity() - (kFrameBytes - kTailReserve);
}

int Frame::adjust_head(std::int32_t delta) {
  const std::int64_t metadata = data_ - data_meta_;
  const std::int64_t data = std::int64_t{data_} + delta;
  if (data < head_limit_ + metadata || data > data_end_ - kEthernetHeader) return -EINVAL;
  // The metadata goes with the head.
  std::memmove(buffer_.data() + data_meta_ + delta, buffer_.data() + data_meta_, static_cast<std::size_t>(metadata));
  data_ = static_cast<std::uint32_t>(data);
  data_meta_ = static_cast<std::uint32_t>(data - metadata);
  return 0;
}

int Frame::adjust_tail(std::int32_t delta) {
  if (data_end_ != packet_end_) return adjust_fragments(delta);
  const std::int64_t end = std::int64_t{data_end_} + delta;
  if (end > limit() || end < data_ + kEthernetHeader) return -EINVAL;
  if (delta > 0) std::memset(buffer_.data() + data_end_, 0, static_cast<std::size_t>(delta));
  data_end_ = packet_end_ = static_cast<std::uint32_t>(end);
  return 0;
}

std::uint32_t Frame::last_fragment_room() const {
  const std::uint32_t used = (packet_end_ - data_end_) % kFrameBytes;
  return used == 0 ? 0 : kFrameBytes - used;
}

// bpf_xdp_frags_increase_tail(), bpf_xdp_frags_shrink_tail().
int Frame::adjust_fragments(std::int32_t delta) {
  const std::int64_t end = std::int64_t{packet_end_} + delta;
  if (delta > std::int64_t{last_fragment_room()} || end < data_ + kEthernetHeader) return -EINVAL;
  if (delta > 0) std::memset(buffer_.data() + packet_end_, 0, static_cast<std::size_t>(delta));
  packet_end_ = static_cast<std::uint32_t>(end);
  data_end_ = std::min(data_end_, packet_end_);
  return 0;
}

int Frame::adjust_meta(std::int32_t delta) {
  const std::int64_t meta = std::int64_t{data_meta_} + delta;
  const std::int64_t length = data_ - meta;
  if (meta < head_limit_ || length < 0) return -EINVAL;
  if (length % 4 != 0 || length > kMaxMetadata) return -EACCES;
  data_meta_ = static_cast<std::uint32_t>(meta);
  return 0;
}

std::optional<std::uint32_t> Frame::make_room(std::size_t head, std::size_t tail) {
  const std::size_t before = head > data_ ? head - data_ : 0;
  const std::size_t behind = packet_end_ + tail > capacity() ? packet_end_ + tail - capacity() : 0;
  if (before + capacity() + behind > kMaxBufferBytes) return std::nullopt;
  if (behind != 0) buffer_.resize(capacity() + behind);
  if (before != 0) buffer_.insert(buffer_.begin(), before, std::byte{0});
  const auto shift = static_cast<std::uint32_t>(before);
  data_meta_ = data_ += shift;
  data_end_ += shift;
  packet_end_ += shift;
  return shift;
}

void Frame::move_edges(std::int64_t head, std::int64_t tail) {
  const bool fragments = data_end_ < packet_end_;
  data_meta_ = data_ = static_cast<std::uint32_t>(data_ + head);
  packet_end_ = static_cast<std::uint32_t>(packet_end_ + tail);
  data_end_ = fragments ? std::min(data_end_, packet_end_) : packet_end_;
}

// At the usual place where that leaves room for the reserve, further to the front where it does not: an engine may
// have grown the packet at its head.
Result<> Frame::assign(std::span<const std::byte> packet, std::size_t linear) {
  linear = std::min(linear, packet.size());
  const std::size_t room = limit() - head_limit_;
  if (linear > room) return too_large("packet does not fit its frame, in bytes", room, linear);
  const std::size_t usual = reserve_ != 0 ? kHeadroom : 0;
  const std::size_t start = std::min(usual, limit() - linear);
  if (packet.size() > capacity() - start) {
    return too_large("packet does not fit its frame, in bytes", capacity() - start, packet.size());
  }
  std::ranges::copy(packet, buffer_.begin() + static_cast<std::ptrdiff_t>(start));
  data_meta_ = data_ = static_cast<std::uint32_t>(start);
  data_end_ = static_cast<std::uint32_t>(start + linear);
  packet_end_ = static_cast<std::uint32_t>(start + packet.size());
  return {};
}

}  // namespace forager::exec
