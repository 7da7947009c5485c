// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/staging.h"

#include <linux/bpf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace forager::jit::opencl {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::uint32_t kMostMetadata = 255;

std::uint32_t context_word(const exec::Frame& frame, std::size_t offset) {
  std::uint32_t value = 0;
  std::memcpy(&value, frame.context.data() + offset, sizeof value);
  return value;
}

std::uint32_t first_byte(const exec::Frame& frame, const FrameUse& use) {
  return use.moves_edges ? 0 : frame.data_meta();
}

bool makes_sense(const exec::Frame& frame, const PacketRecord& record) {
  const bool ordered = record.meta <= record.data && record.data <= record.end && record.end <= record.packet_end &&
                       record.packet_end <= frame.capacity();
  return ordered && record.meta >= record.head_limit && (record.data - record.meta) % 4 == 0 &&
         record.data - record.meta <= kMostMetadata;
}

bool is_moved(const exec::Frame& frame, const PacketRecord& record) {
  return frame.data_meta() != record.meta || frame.data() != record.data || frame.data_end() != record.end ||
         frame.packet_end() != record.packet_end;
}

}  // namespace

std::size_t staged_bytes(const exec::Frame& frame, const FrameUse& use) {
  const std::size_t bytes = use.moves_edges ? frame.capacity() : frame.packet_end();
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

void stage(exec::Frame& frame, const FrameUse& use, std::size_t base, std::span<std::byte> packets,
           PacketRecord& record) {
  record = {.base = base,
            .meta = frame.data_meta(),
            .data = frame.data(),
            .end = frame.data_end(),
            .packet_end = frame.packet_end(),
            .limit = frame.limit(),
            .head_limit = use.is_xdp ? exec::kFrameHeader : 0,
            .ingress_ifindex = context_word(frame, offsetof(xdp_md, ingress_ifindex)),
            .rx_queue_index = context_word(frame, offsetof(xdp_md, rx_queue_index)),
            .egress_ifindex = context_word(frame, offsetof(xdp_md, egress_ifindex))};
  const std::uint32_t from = first_byte(frame, use);
  std::copy(frame.buffer() + from, frame.buffer() + frame.packet_end(), packets.data() + base + from);
}

// Edges first: that moves bytes about, which all come from the device then.
bool unstage(exec::Frame& frame, const FrameUse& use, std::span<const std::byte> packets, const PacketRecord& record) {
  if (is_moved(frame, record)) {
    if (!use.moves_edges || !makes_sense(frame, record)) return false;
    frame.move_edges(std::int64_t{record.data} - frame.data(), std::int64_t{record.packet_end} - frame.packet_end());
    const auto metadata = static_cast<std::int32_t>(record.data - record.meta);
    if (metadata != 0 && frame.adjust_meta(-metadata) != 0) return false;
  }
  const std::uint32_t from = first_byte(frame, use);
  const auto begin = packets.begin() + static_cast<std::ptrdiff_t>(record.base);
  std::copy(begin + from, begin + frame.packet_end(), frame.buffer() + from);
  return true;
}

}  // namespace forager::jit::opencl
