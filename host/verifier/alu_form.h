// SPDX-License-Identifier: Apache-2.0
//
// What an ALU instruction is, a move, a sign extension, arithmetic, and what a jump asks; read off isa.def.
#pragma once

#include "verifier/scalar.h"

namespace forager::verifier {

struct AluForm {
  enum class Shape : std::uint8_t { none, alu, move, sign_extend, negate, swap };
  Shape shape = Shape::none;
  Alu op{};
  std::uint8_t width = 64;  // of the operation
  std::uint8_t bytes = 8;   // sign extension: of the source; swaps: kept
  bool reverses = false;    // swaps: the bytes' order
};

[[nodiscard]] const AluForm& alu_form(isa::Op op);
// Of conditional jumps.
[[nodiscard]] Condition condition_of(isa::Op op);

}  // namespace forager::verifier
