// SPDX-License-Identifier: Apache-2.0
//
// The program with a number, and programs as text.
//
// Tested by: tests/unit/fuzz_verifier_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/verifier/judge.h"

namespace forager::fuzz {

// Program `index` of the stream `seed`: generated, some mutated afterwards, with options of its own.
[[nodiscard]] Candidate make_candidate(std::uint64_t seed, std::uint64_t index);

// A slot a line in kernel style, as the assembler and the golden tests take it.
[[nodiscard]] std::string text_of(const std::vector<isa::Slot>& program);

// "strict_alignment test_state_freq ...": how it is to be verified.
[[nodiscard]] std::string words_of(const Candidate& candidate);

// A message with its numbers taken out, so that those of one cause are equal.
[[nodiscard]] std::string class_of(std::string_view message);

}  // namespace forager::fuzz
