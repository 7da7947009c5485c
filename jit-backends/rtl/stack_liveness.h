// SPDX-License-Identifier: Apache-2.0
//
// Bytes of the main function's frame that may be read before they are written.
//
// Tested by: tests/unit/rtl_flow_test.cc.
#pragma once

#include <bitset>
#include <vector>

#include "jit-backends/rtl/flow.h"

namespace forager::jit::rtl {

class StackLiveness {
 public:
  using Bytes = std::bitset<isa::kStackBytes>;  // from the frame's lowest

  explicit StackLiveness(const Flow& flow);
  [[nodiscard]] const Bytes& at_begin(std::uint32_t block) const { return at_begin_[block]; }
  [[nodiscard]] Bytes at_end(const FlowBlock& block) const {
    return block.next == program::kNone ? Bytes{} : at_begin_[block.next];
  }
  // Before an operation, of what is live after it in its block.
  [[nodiscard]] Bytes before(const Operation& operation, Bytes after) const;

 private:
  std::vector<Bytes> at_begin_;
};

// What a store writes, where that is exactly known of the frame; nothing otherwise.
[[nodiscard]] StackLiveness::Bytes written_on_stack(const Operation& operation);

}  // namespace forager::jit::rtl
