// SPDX-License-Identifier: Apache-2.0
//
// VerifyResult: all that `forager prog verify` found out about an object, and its two forms: text for a terminal, and
// JSON for programs (schema "forager-verify" version 1, docs/cli.md).
//
// Tested by: tests/unit/cli_verify_text_test.cc, tests/cli/verify_test.sh.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "forager/result.h"
#include "verifier/verify.h"

namespace forager::cli {

struct ProgramVerdict {
  std::string name;
  std::string type;  // "xdp"
  std::string section;
  bool examined = false;  // the verifier saw it: the figures below are known
  std::uint64_t instructions = 0;
  std::uint64_t verify_ns = 0;
  verifier::Report report;
  std::optional<Diagnostic> refused;
  std::shared_ptr<const verifier::VerifiedProgram> program;  // null if it was refused
};

struct VerifyResult {
  std::string object;
  std::vector<ProgramVerdict> programs;
  [[nodiscard]] std::size_t refused() const;
};

struct VerifyView {
  bool facts = false;
  bool log = false;
};

[[nodiscard]] std::string to_text(const VerifyResult& result, const VerifyView& view);
[[nodiscard]] nlohmann::ordered_json to_json(const VerifyResult& result, const VerifyView& view);

}  // namespace forager::cli
