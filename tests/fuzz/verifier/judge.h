// SPDX-License-Identifier: Apache-2.0
//
// Judge: verifies a program, runs it on random inputs if it was accepted, and says whether anything happened that the
// verifier excluded.
//
// A finding is a trap of the checked interpreter with fact assertions, in a program that verify() accepted: memory out
// of bounds, something uninitialised read, a fact that does not hold, a record left open, no end in sight. What only
// bounds space at run time is none: the number of live map values.
//
// Tested by: tests/unit/fuzz_verifier_test.cc.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/fuzz/verifier/rival.h"
#include "tests/fuzz/verifier/world.h"

namespace forager::fuzz {

// A program and how it is to be verified.
struct Candidate {
  std::vector<isa::Slot> slots;
  verifier::Options options;
  bool global_functions = false;  // its functions take five numbers, and are verified by themselves
  bool linux_is_wrong = false;    // it does what Linux 6.18 judges wrongly: not compared
};

struct Outcome {
  enum class Verdict : std::uint8_t { malformed, rejected, accepted };
  Verdict verdict = Verdict::malformed;
  Diagnostic refusal;            // unless accepted
  std::string finding;           // empty: none
  std::uint64_t executed = 0;    // instructions
  std::uint64_t processed = 0;   // by the verifier
  std::uint64_t compared = 0;    // runs compared with another engine's
  bool shows_addresses = false;  // so none was: each engine has its own
};

class Judge {
 public:
  // With a backend, what the interpreter ran runs on that too, and has to end equally.
  explicit Judge(const exec::Backend* rival = nullptr, const exec::CompileOptions& options = {});
  // Runs on `runs` inputs made from `seed`.
  [[nodiscard]] Outcome judge(const Candidate& candidate, unsigned runs, std::uint64_t seed);
  // The verifier's answer only.
  [[nodiscard]] static Result<std::shared_ptr<const verifier::VerifiedProgram>> verify(const Candidate& candidate,
                                                                                       verifier::Report* report);
  [[nodiscard]] static program::Source source_of(const Candidate& candidate);

 private:
  [[nodiscard]] std::string run(const Candidate& candidate, unsigned runs, std::uint64_t seed);
  void reset();

  const exec::Backend* backend_;
  exec::CompileOptions options_;
  std::unique_ptr<Rival> rival_;
  std::unique_ptr<World> world_;
  std::unique_ptr<exec::Device> device_;
  exec::Frame frame_;
};

}  // namespace forager::fuzz
