// SPDX-License-Identifier: Apache-2.0
//
// Facts in words, one canonical wording each: what a golden file says is compared as text with what is rendered here.
//
//   access REGION [MAP] [MIN,MAX] [in_bounds] [aligned] [frame N|frame any]
//   branch both|always|never
//   reachable | unreachable
//   dst VALUE, src VALUE        5; [1,4]; "[0,255] unknown 0xf0"; "signed [-3,4]"; any
//   live r0 r6 ...
//   call helper N [map NAME]
//   arg N REGION [MAP] [maybe_null] [MIN,MAX] bytes N, arg N VALUE
//
// Tested by: golden_case_test.cc.
#pragma once

#include <string>
#include <string_view>

#include "verifier/verify.h"

namespace forager::verifier::golden {

// What is known of the instruction, in the kind of words that `like` begins with ("access", "arg 2", ...). Empty if the
// kind is unknown.
[[nodiscard]] std::string words_like(std::string_view like, const VerifiedProgram& verified, std::uint32_t instruction);

[[nodiscard]] std::string words_of_use(MapUse use);
[[nodiscard]] std::string words_of_value(const ValueFact& value);

}  // namespace forager::verifier::golden
