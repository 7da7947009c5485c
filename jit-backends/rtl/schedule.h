// SPDX-License-Identifier: Apache-2.0
//
// Operations into bundles. Both halves of a bundle read registers before either writes, so operations share
// one where neither needs the other's result; those that come later may go first where nothing ties them to what they
// pass. That may be a branch which leads away, if nobody misses there what they overwrite, and if they cannot fail.
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
// outlive the result. Nobody comes to their middle but by a return.
[[nodiscard]] std::vector<Pair> schedule(std::vector<Operation>& operations, Registers live_at_end = kProgramRegisters);

// Whether two accesses may be of the same bytes.
[[nodiscard]] bool may_meet(const Reach& a, const Reach& b);

}  // namespace forager::jit::rtl
