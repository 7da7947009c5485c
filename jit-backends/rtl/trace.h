// SPDX-License-Identifier: Apache-2.0
//
// Traces: blocks that follow each other are laid out in a row, so that their operations are placed together. What is
// short and comes next, but stands elsewhere already or is led to from elsewhere too, is there twice.
//
// Tested by: tests/unit/rtl_flow_test.cc.
#pragma once

#include <vector>

#include "jit-backends/rtl/flow.h"

namespace forager::jit::rtl {

// Operations that are entered at the first only, though branches lead out of their middle.
struct Trace {
  std::uint32_t block = 0;  // that they begin with
  std::vector<Operation> operations;
  Registers live_at_end = 0;  // where they go on with the next trace
};

// In the order in which they are to stand; the first is block 0's. A trace that does not leave goes on with the next
// one.
[[nodiscard]] std::vector<Trace> traces_of(const Flow& flow);

}  // namespace forager::jit::rtl
