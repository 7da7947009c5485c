// SPDX-License-Identifier: Apache-2.0
//
// Judging a golden case: what our verifier says of it, as the lines that its file would have, and what is wrong.
//
// Every case is verified twice, the second time with a state kept at every instruction that may keep one
// (test_state_freq): pruning must not change a verdict.
//
// Tested by: golden_case_test.cc, golden_test.cc on every file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "golden_case.h"

namespace forager::verifier::golden {

struct Judgement {
  std::vector<std::string> faults;  // what differs from the file, empty if nothing does
  std::map<std::size_t, std::string>
      blessed;  // file lines (from 1) as they would be right; none if the verdict is wrong
};

[[nodiscard]] Judgement judge(const Case& given);

// "accept", or "reject EACCES at 3: text".
[[nodiscard]] std::string words_of(const Verdict& verdict);

}  // namespace forager::verifier::golden
