// SPDX-License-Identifier: Apache-2.0
//
// A verified program's facts: beside its disassembly for people, and as JSON, member by member, for programs. Only what
// is known is said.
//
// Tested by: tests/unit/cli_verify_text_test.cc.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "verifier/verify.h"

namespace forager::cli {

[[nodiscard]] std::string facts_text(const verifier::VerifiedProgram& program);
// One row an instruction: {"pc", "disasm", "reachable", ...}.
[[nodiscard]] nlohmann::ordered_json facts_json(const verifier::VerifiedProgram& program);
// [{"name", "use"}].
[[nodiscard]] nlohmann::ordered_json map_uses_json(const verifier::VerifiedProgram& program);

// "5", "0..255", "at least 1", "a multiple of 8", ...; empty where nothing is known.
[[nodiscard]] std::string value_text(const verifier::ValueFact& value);

}  // namespace forager::cli
