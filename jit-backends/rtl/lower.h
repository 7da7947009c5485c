// SPDX-License-Identifier: Apache-2.0
//
// From steps (jit-backends/common/code.h) to operations of the core, and from those to bundles.
//
// Tested by: tests/unit/rtl_compile_test.cc, and everything that runs on the device.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "jit-backends/common/code.h"
#include "jit-backends/rtl/image.h"

namespace forager::jit::rtl {

// Which bytes an access may reach: as verifier::AccessFact, the last byte included; none known if last < first.
struct Reach {
  verifier::Region region = verifier::Region::unknown;
  std::uint32_t map = program::kNone;
  std::uint8_t frame = 0;
  std::int64_t first = 0, last = -1;
};

// One slot's worth, with what placing it needs to know.
struct Operation {
  Slot slot;
  Reach reach = {};  // of a load, store or atomic
  std::uint32_t instruction = 0;
  std::uint32_t target = program::kNone;  // of a branch or call: the instruction there, which begins a block
  std::optional<Slot> beside;             // has to stand in slot 1 of the same bundle
  std::optional<Relocation> relocation;   // bundle is filled in when it is placed
};

// What stands beside an operation is its other operand, or the upper half of a constant.
[[nodiscard]] constexpr bool reads_beside(const Operation& operation, std::uint8_t reg) {
  const auto& beside = operation.beside;
  return beside && operation.slot.op != CoreOp::AluWide && !beside->use_imm && beside->b == reg;
}

// The operations of a block, in order.
struct OperationBlock {
  std::uint32_t begin = 0;  // the block's first instruction
  std::vector<Operation> operations;
};

[[nodiscard]] std::vector<OperationBlock> select(const Code& code, const ChipPlan& plan);

// Errors: limit, if the program has more bundles than a branch can name.
[[nodiscard]] Result<CoreProgram> place(const Code& code, const std::vector<OperationBlock>& blocks);

}  // namespace forager::jit::rtl
