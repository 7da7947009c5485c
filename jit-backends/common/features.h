// SPDX-License-Identifier: Apache-2.0
//
// CPU features that code generation may use. They are those of the machine that compiles, unless masked
// (CompileOptions::features_off): generated code runs where it was made.
//
// Tested by: tests/unit/jit_forms_test.cc, with each masked.
#pragma once

#include <cstdint>

namespace forager::jit {

struct Features {
  static constexpr std::uint32_t kBmi2 = 1U << 0;   // x86-64: SHLX, SHRX, SARX, RORX, MULX
  static constexpr std::uint32_t kMovbe = 1U << 1;  // x86-64: loads in network order
  static constexpr std::uint32_t kLse = 1U << 2;    // arm64: atomics in one instruction
  static constexpr std::uint32_t kAll = kBmi2 | kMovbe | kLse;
};

// Of this machine.
[[nodiscard]] std::uint32_t host_features();

}  // namespace forager::jit
