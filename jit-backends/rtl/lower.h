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

// Bit n is rn.
using Registers = std::uint16_t;
inline constexpr Registers kProgramRegisters = 0x7ff;  // what lives from block to block; the others are the compiler's

// Which bytes an access may reach: as verifier::AccessFact, the last byte included; none known if last < first.
struct Reach {
  verifier::Region region = verifier::Region::unknown;
  std::uint32_t map = program::kNone;
  std::uint8_t frame = 0;
  std::int64_t first = 0, last = -1;
  bool aligned = false;  // the address is a multiple of the width
  bool pairs = false;    // ... of 16
};

// One slot's worth, with what placing it needs to know.
struct Operation {
  Slot slot;
  Reach reach = {};  // of a load, store or atomic
  std::uint32_t instruction = 0;
  bool result = false;                       // Origin::result; passes that make it another's take it away
  std::uint32_t target = program::kNone;     // of a branch or call: the instruction there, which begins a block
  std::optional<Slot> beside;                // has to stand in slot 1 of the same bundle
  std::optional<Relocation> relocation;      // bundle is filled in when it is placed
  std::optional<bool> likely;                // of a branch: whether it is taken, where somebody knows
  std::uint32_t needs = program::kNone;      // of a load that cannot fail: so many bytes of packet, from its first on
  std::uint32_t known_bytes = 0;             // of a branch: bytes that the packet has
  Registers live_there = kProgramRegisters;  // of what leaves: what may be read where it leads
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

// Sets Operation::result: of an instruction, the last operation that writes its destination.
void mark_results(const Code& code, std::vector<OperationBlock>& blocks);

}  // namespace forager::jit::rtl
