// SPDX-License-Identifier: Apache-2.0
//
// What a branch comes to, by what is known of its operands and of the packet's length.
//
// Tested by: tests/unit/rtl_flow_test.cc.
#pragma once

#include <cstdint>
#include <optional>

#include "jit-backends/rtl/values.h"

namespace forager::jit::rtl {

// A branch, as far as it is decided, or is one by the packet's length: `length op bytes`.
struct Comparison {
  std::optional<bool> decided;
  std::optional<CoreOp> of_length;
  std::uint32_t bytes = 0;
};
[[nodiscard]] Comparison comparison(const Slot& slot, const State& at);

// What is known where a branch leads, or behind it.
void learn(const Slot& branch, bool taken, State& at);

}  // namespace forager::jit::rtl
