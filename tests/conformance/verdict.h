// SPDX-License-Identifier: Apache-2.0
//
// What a backend's answer to a vector is worth, and the reports of it: a table for people, JSON for programs.
//
// Tested by: tests/conformance/verdict_test.cc.
#pragma once

#include <string>
#include <vector>

#include "data_file.h"
#include "executor.h"

namespace forager::conformance {

enum class Outcome : std::uint8_t {
  passed,
  failed,            // a wrong value, a stopped program, or one that our own verifier refuses
  refused,           // the backend says that it does not run it
  refused_as_linux,  // indirect calls, which Linux refuses as well
};

struct Verdict {
  std::string vector;
  Outcome outcome = Outcome::failed;
  std::string expected;  // of failed ones: "0x5", "an error"
  std::string got;       // of all that did not pass: "0x6", or the diagnostic
};

[[nodiscard]] Verdict judge(const Vector& vector, const Answer& answer);

struct BackendReport {
  std::string backend;
  std::string unavailable;  // why it could not run at all, or empty
  std::vector<Verdict> verdicts;

  [[nodiscard]] std::size_t count(Outcome outcome) const;
};

[[nodiscard]] std::string to_table(const std::vector<BackendReport>& reports);
// {"schema": "forager.conformance", "version": 1, "backends": [{"backend", "unavailable"?, "passed", "failed",
// "refused",
//  "refused_as_linux", "vectors": [{"vector", "outcome", "expected"?, "got"?}]}]}
[[nodiscard]] std::string to_json(const std::vector<BackendReport>& reports);

}  // namespace forager::conformance
