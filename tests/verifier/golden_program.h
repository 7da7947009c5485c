// SPDX-License-Identifier: Apache-2.0
//
// From a golden case to the program that a loader would hand over.
//
// Tested by: golden_case_test.cc.
#pragma once

#include <map>
#include <string>

#include "golden_case.h"

namespace forager::verifier::golden {

struct Assembled {
  program::Source source;
  std::map<std::string, std::uint32_t, std::less<>> labels;  // to slots
};

// Errors: input, where the text does not assemble or a function's label is not in it.
[[nodiscard]] Result<Assembled> assemble(const Case& given);

// Decodes and verifies. The options are the case's own, or changed ones.
[[nodiscard]] Result<std::shared_ptr<const VerifiedProgram>> verify_case(const Assembled& given, const Options& options,
                                                                         Report* report = nullptr);

}  // namespace forager::verifier::golden
