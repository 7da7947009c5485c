// SPDX-License-Identifier: Apache-2.0
//
// Operations of a block into bundles. Both halves of a bundle read registers before either writes, so operations share
// one where neither needs the other's result; those that come later may go first where nothing ties them to what they
// pass.
//
// Tested by: tests/unit/rtl_compile_test.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "jit-backends/rtl/lower.h"

namespace forager::jit::rtl {

// The operations of one bundle, by slot; null: nothing. What stands beside the first (Operation::beside) is not named.
struct Pair {
  const Operation* first = nullptr;
  const Operation* second = nullptr;
};

// In the order in which they are executed. Values that end in the block may get other registers. The operations must
// outlive the result.
[[nodiscard]] std::vector<Pair> schedule(std::vector<Operation>& operations);

}  // namespace forager::jit::rtl
