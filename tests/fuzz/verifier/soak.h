// SPDX-License-Identifier: Apache-2.0
//
// Soak: many programs, counted. What a soak found stands in its Tally; nothing here prints.
//
// Tested by: tests/unit/fuzz_verifier_test.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/fuzz/verifier/candidate.h"
#include "tests/fuzz/verifier/kernel.h"

namespace forager::fuzz {

struct SoakOptions {
  std::uint64_t seed = 1;
  std::uint64_t first = 0;     // index
  std::uint64_t programs = 0;  // 0: until the time is over
  double seconds = 0;          // 0: until the programs are done
  unsigned threads = 1;
  unsigned runs = 6;                     // of each accepted program
  const Kernel* kernel = nullptr;        // compare verdicts with its
  const exec::Backend* rival = nullptr;  // compare runs with its
  exec::CompileOptions rival_options;
};

struct Finding {
  std::uint64_t index = 0;
  std::string message;
  Candidate program;  // minimised
};

// A disagreement with the kernel.
struct Disagreement {
  std::uint64_t count = 0;
  std::uint64_t index = 0;  // of the first
  std::string ours;         // message, empty if accepted
  std::string kernel;
  Candidate program;  // minimised
};

struct Tally {
  std::uint64_t programs = 0, accepted = 0, malformed = 0;
  std::uint64_t slots = 0, accepted_slots = 0, executed = 0, processed = 0;
  std::uint64_t kernel_accepted = 0;
  std::uint64_t compared = 0;                     // runs with the rival's
  std::uint64_t shows_addresses = 0;              // programs that were not compared for that
  std::map<std::string, std::uint64_t> refusals;  // by class of message
  std::map<std::string, Finding> findings;        // by class of message: the first
  std::uint64_t finding_count = 0;
  std::map<std::string, Disagreement> looser;    // ours accepts, the kernel does not; by the kernel's message
  std::map<std::string, Disagreement> stricter;  // the reverse, by ours
  void add(const Tally& other);
};

[[nodiscard]] Tally soak(const SoakOptions& options);

}  // namespace forager::fuzz
