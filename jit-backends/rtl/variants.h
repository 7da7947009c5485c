// SPDX-License-Identifier: Apache-2.0
//
// Values (values.h) go from block to block until nothing changes. Blocks of the native version are there once for each
// of a few things that may be known at their begin: where in the packet a header is, above all.
//
// Tested by: tests/unit/rtl_flow_test.cc.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "jit-backends/rtl/comparison.h"
#include "jit-backends/rtl/stack_liveness.h"

namespace forager::jit::rtl {

class Propagation {
 public:
  // Adds blocks to the flow, and leads to them.
  Propagation(Flow& flow, const ChipPlan& plan);

  // Nothing if nobody comes there.
  [[nodiscard]] const std::optional<State>& at_begin(std::uint32_t block) const { return in_[block]; }

 private:
  static constexpr std::size_t kMostVariants = 32;

  // The block of its origin's that stands for what is known.
  std::uint32_t enter(std::uint32_t block, const State& at);
  std::uint32_t begin(std::uint32_t block, const State& at);
  std::uint32_t join(std::uint32_t block, const State& at);
  // Whether the same is known of all registers that are read.
  [[nodiscard]] bool alike(std::uint32_t block, const State& at) const;
  // By index: blocks are added meanwhile.
  void walk(std::uint32_t number);

  Flow& flow_;
  const ChipPlan& plan_;
  const FlowLiveness liveness_;  // of the blocks as they came
  const StackLiveness stack_;
  std::vector<std::optional<State>> in_;
  std::vector<std::vector<std::uint32_t>> variants_;  // by origin
  std::vector<std::uint32_t> origin_;
  std::deque<std::uint32_t> open_;  // in order, so that what is near the begin has its versions first
  std::size_t room_ = 0;            // operations that may be added
};

}  // namespace forager::jit::rtl
