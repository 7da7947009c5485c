// SPDX-License-Identifier: Apache-2.0
//
// What an instruction does to an AddressState, and whether it looks at an address. Private to address*.cc.
//
// Tested by: tests/unit/fuzz_rival_test.cc.
#pragma once

#include "tests/fuzz/verifier/address_state.h"
#include "verifier/verify.h"

namespace forager::fuzz {

// Executes any instruction but call_local. True if it may make a number of a pointer.
[[nodiscard]] bool shows_address(const verifier::VerifiedProgram& program, std::uint32_t at, AddressState& state);

// Whether the instruction compares a register with null, so that this is a number where they are equal.
[[nodiscard]] bool compares_with_null(const program::Instruction& insn, const verifier::Facts& facts);

}  // namespace forager::fuzz
