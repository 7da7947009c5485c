// SPDX-License-Identifier: Apache-2.0
//
// How often each bundle of a program was executed, and how long threads took for it: from the bundle before, or the
// packet's begin, to this one's end, in cycles.
//
// Tested by: tests/unit/rtl_device_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/board/board.h"

namespace forager::jit::rtl {

struct BundleCost {
  std::uint64_t times = 0, cycles = 0;
};

class Profile final : public sim::Observer {
 public:
  // Of a program that stands at the begin of instruction memory.
  void begin(std::size_t bundles) { costs_.assign(bundles, {}); }
  void started(std::uint8_t thread, std::uint64_t cycle) override { since_[thread % kThreads] = cycle; }
  void retired(const sim::Retired& bundle, std::uint64_t cycle) override {
    std::uint64_t& since = since_[bundle.thread % kThreads];
    if (bundle.pc < costs_.size()) {
      ++costs_[bundle.pc].times;
      costs_[bundle.pc].cycles += cycle - since;
    }
    since = cycle;
  }
  [[nodiscard]] const std::vector<BundleCost>& costs() const { return costs_; }

 private:
  static constexpr std::size_t kThreads = 256;
  std::vector<BundleCost> costs_;
  std::array<std::uint64_t, kThreads> since_{};
};

}  // namespace forager::jit::rtl
