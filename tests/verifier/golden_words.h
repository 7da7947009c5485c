// SPDX-License-Identifier: Apache-2.0
//
// The words of golden directives: what each names in the project's tables. Private to tests/verifier.
//
// Tested by: golden_case_test.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "golden_case.h"

namespace forager::verifier::golden {

[[nodiscard]] std::vector<std::string> words_of(std::string_view line);
[[nodiscard]] std::unexpected<Diagnostic> refuse(std::string message);

// A line, word by word.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}
  std::string next();  // empty at the end
  std::string rest();  // all that is left, trimmed

 private:
  std::string_view rest_;
};

// Reads type, licence, option, map, function into the setting. False if the word is none of these.
[[nodiscard]] Result<bool> read_setting(const std::string& word, Words& words, Setting& setting);

// "accept", or "reject" and "EACCES at 3: text".
[[nodiscard]] Result<Verdict> read_verdict(const std::string& word, Words& words);

}  // namespace forager::verifier::golden
