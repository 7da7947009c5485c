// SPDX-License-Identifier: Apache-2.0
//
// What verifying one program costs, ours beside the kernel's: the same instructions and maps to both, verdicts compared
// before anything is timed.
//
// Time of ours is decode and verify, which is what the kernel's "verification time" covers of its own work. Memory is
// measured in a child process, as the growth of its greatest resident size: it holds whatever the verifier allocates,
// counted or not.
//
// Tested by: nothing asserts figures; the verdicts are asserted by tests/twins/programs_test.cc.
#pragma once

#include <string>

#include "tests/twins/subject.h"

namespace forager::bench {

struct Cost {
  twins::Verdict ours, kernel;  // with the median time of the repetitions
  double megabytes = 0;         // resident, of ours
};

// Why the two cannot be compared: different verdicts, or one that could not be asked. Empty if they can.
[[nodiscard]] std::string wrong_answer(const twins::Subject& subject);

// Growth of the greatest resident size of a process that verifies the program with ours, in MB.
[[nodiscard]] double megabytes_of(const twins::Subject& subject);

// Both verifiers `repetitions` times, in turns.
[[nodiscard]] Cost cost_of(const twins::Subject& subject, unsigned repetitions);

}  // namespace forager::bench
