// SPDX-License-Identifier: Apache-2.0
//
// What instructions do to Numbers. Private to values*.cc.
#pragma once

#include <optional>
#include <span>

#include "program/program.h"
#include "verifier/values_state.h"

namespace forager::verifier {

// What an instruction of the forms alu_imm, alu_reg and unary makes of its operands (an immediate is a number, too), or
// nullopt if that may be a pointer. Absent operands may be pointers: the instruction is one of an accepted program.
[[nodiscard]] std::optional<Scalar> computed(isa::Op op, const Scalar* dst, const Scalar* src);

// Executes one instruction; what jumps teach is not among it.
void execute(const program::Program& program, const program::Instruction& insn, const Facts& facts,
             std::span<const ArgumentFacts> arguments, Numbers& numbers);

}  // namespace forager::verifier
