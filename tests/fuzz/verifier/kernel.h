// SPDX-License-Identifier: Apache-2.0
//
// Kernel: the running kernel's verifier asked about a generated program, with maps of the same shape.
//
// Tested by: tests/unit/fuzz_verifier_test.cc.
#pragma once

#include <string>
#include <vector>

#include "tests/fuzz/verifier/judge.h"

namespace forager::fuzz {

class Kernel {
 public:
  Kernel();
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  // Why it cannot be asked here, or empty.
  [[nodiscard]] const std::string& unavailable() const { return unavailable_; }
  // errno of loading, 0 if it loads; the verifier's log as well if it is asked for.
  [[nodiscard]] int load(const Candidate& candidate, std::string* log = nullptr) const;

 private:
  std::vector<int> maps_;
  std::string unavailable_;
};

}  // namespace forager::fuzz
