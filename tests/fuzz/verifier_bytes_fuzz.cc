// SPDX-License-Identifier: Apache-2.0
//
// Any bytes given as a program: there is always a verdict, in bounded work, with a message a person can read, and an
// accepted XDP program does nothing that the verifier excluded (tests/fuzz/verifier/judge.h).
//
// An input is a byte that chooses the program type, a byte of options, and slots as they stand in memory.
#include <cstdlib>
#include <cstring>

#include "tests/fuzz/target.h"
#include "tests/fuzz/verifier/judge.h"

namespace {

using forager::Diagnostic;
using forager::ErrorKind;
using forager::fuzz::Candidate;
using forager::fuzz::Judge;
using forager::fuzz::Outcome;
namespace isa = forager::isa;
namespace program = forager::program;
namespace verifier = forager::verifier;

void check(bool holds) {
  if (!holds) std::abort();
}

verifier::Options options_of(std::uint8_t bits) {
  return {.strict_alignment = (bits & 1) != 0,
          .strict_loops = (bits & 2) != 0,
          .allow_uninitialised_stack = (bits & 4) != 0,
          .test_state_freq = (bits & 8) != 0,
          .log_level = (bits & 16) != 0 ? 2U : 0U,
          .instruction_limit = 20000};
}

void check_refusal(const Diagnostic& refusal) {
  check(refusal.kind == ErrorKind::rejected || refusal.kind == ErrorKind::limit ||
        refusal.kind == ErrorKind::unsupported);
  check(refusal.error > 0 && !refusal.message.empty() && refusal.message.find('\n') == std::string::npos);
}

void check_accepted(const verifier::VerifiedProgram& verified) {
  check(verified.facts().size() == verified.program().instructions().size());
  check(verified.map_uses().size() == verified.program().maps().size());
  for (const verifier::Facts& facts : verified.facts()) {
    const std::size_t count = verified.call_arguments().size();
    check(facts.call.arguments == program::kNone || facts.call.arguments < count);
    check(facts.access.map == program::kNone || facts.access.map < verified.program().maps().size());
  }
}

void verify_only(const Candidate& candidate, isa::ProgType type) {
  program::Source source = Judge::source_of(candidate);
  source.type = type;
  auto decoded = program::Program::decode(std::move(source));
  if (!decoded) return check_refusal(decoded.error());
  verifier::Report report;
  const auto verified = verifier::verify(std::move(*decoded), candidate.options, &report);
  check(report.processed_instructions <= candidate.options.instruction_limit + 1);
  if (!verified) return check_refusal(verified.error());
  check_accepted(**verified);
}

void verify_and_run(const Candidate& candidate) {
  static Judge judge;
  constexpr unsigned kRuns = 2;
  const Outcome outcome = judge.judge(candidate, kRuns, candidate.slots.size());
  check(outcome.finding.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHeader = 2, kMaxSlots = 4096;
  if (size < kHeader) return 0;
  Candidate candidate{.options = options_of(data[1])};
  candidate.slots.resize(std::min((size - kHeader) / sizeof(isa::Slot), kMaxSlots));
  if (!candidate.slots.empty()) {
    std::memcpy(candidate.slots.data(), data + kHeader, candidate.slots.size() * sizeof(isa::Slot));
  }
  const auto types = isa::prog_types();
  const isa::ProgType type = data[0] == 0 ? isa::ProgType::xdp : types[data[0] % types.size()].type;
  verify_only(candidate, type);
  // Programs that read stack they never wrote stop in the checked interpreter.
  if (type == isa::ProgType::xdp && !candidate.options.allow_uninitialised_stack) verify_and_run(candidate);
  return 0;
}
