// SPDX-License-Identifier: Apache-2.0
//
// What a program costs before it can run: Backend::compile(), and linking, which a device does before its first batch.
//
// Cold is the first call in a process that has compiled nothing before (the executable starts itself again for that):
// memory is fresh, code is not in the caches. Warm is what comes after.
//
// Tested by: nothing asserts figures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exec/backend.h"

namespace forager::bench {

struct Effort {
  double compile_us = 0;
  double link_us = 0;
  std::uint64_t faults = 0;  // minor page faults (getrusage), of both

  [[nodiscard]] double both() const { return compile_us + link_us; }
};

struct Candidate {
  std::string object;  // path
  std::string title;   // object and program
  std::shared_ptr<const verifier::VerifiedProgram> program;
  std::size_t slots = 0;
};

// The programs of an object file that the verifier takes; with a title, that one alone.
[[nodiscard]] std::vector<Candidate> candidates(const std::string& object, const std::string& title = {});

// One compilation, and linking against new maps. Errors: of the backend; of maps that cannot be made.
[[nodiscard]] Result<Effort> effort(const Candidate& candidate, const exec::Backend& backend);

// The same by a new process that runs this executable with --cold OBJECT TITLE, where main() calls answer_cold(). Its
// exit status.
[[nodiscard]] Result<Effort> cold_effort(const Candidate& candidate);
[[nodiscard]] int answer_cold(const std::string& object, const std::string& title, const exec::Backend& backend);

}  // namespace forager::bench
