// SPDX-License-Identifier: Apache-2.0
//
// Which lane runs which packets, and in which order. A lane is a work-item: it takes its packets one after the other.
//
// Tested by: tests/unit/opencl_lanes_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "exec/backend.h"

namespace forager::jit::opencl {

// Packets of a batch: all, or those of some numbers, which rise.
class Frames {
 public:
  Frames() = default;
  explicit Frames(exec::PacketBatch all) : batch_(all.data()), size_(all.size()) {}
  Frames(exec::PacketBatch batch, const std::vector<std::uint32_t>& numbers)
      : batch_(batch.data()), numbers_(numbers.data()), size_(numbers.size()) {}

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] exec::Frame& operator[](std::size_t nth) const { return batch_[number(nth)]; }
  // How far it is from the first of these.
  [[nodiscard]] std::size_t distance(std::size_t nth) const { return number(nth) - number(0); }
  [[nodiscard]] bool has_gaps() const { return !empty() && distance(size_ - 1) != size_ - 1; }

  [[nodiscard]] Frames part(std::size_t at, std::size_t count) const {
    Frames some = *this;
    if (numbers_ == nullptr) some.batch_ += at;
    if (numbers_ != nullptr) some.numbers_ += at;
    some.size_ = count;
    return some;
  }
  [[nodiscard]] Frames from(std::size_t at) const { return part(at, size_ - at); }

 private:
  [[nodiscard]] std::size_t number(std::size_t nth) const { return numbers_ == nullptr ? nth : numbers_[nth]; }

  exec::Frame* batch_ = nullptr;
  const std::uint32_t* numbers_ = nullptr;
  std::size_t size_ = 0;
};

// Packets by number: lane n has order[begins[n]] to order[begins[n + 1] - 1], by rising number. Without an order, lane
// n has packets begins[n] to begins[n + 1] - 1.
struct Lanes {
  std::vector<std::uint32_t> order, begins;
};

// Packets in equal parts. With Order::flow, those of one flow on one lane.
[[nodiscard]] Lanes lanes_of(Frames frames, unsigned lanes, exec::Order order);

// The same number for both directions of a flow: of addresses and, where the first fragment has them, ports of IPv4 and
// IPv6 behind at most two VLAN tags; of anything else, of its addresses or type alone.
[[nodiscard]] std::uint32_t flow_of(std::span<const std::byte> packet);

}  // namespace forager::jit::opencl
