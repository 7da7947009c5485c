// SPDX-License-Identifier: Apache-2.0
//
// What an ALU instruction is, read off isa.def: a move, a sign extension, arithmetic, ...
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

}  // namespace forager::verifier
