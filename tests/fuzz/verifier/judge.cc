// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/judge.h"

#include <fmt/format.h>

#include <cerrno>

#include "interp/backend.h"

namespace forager::fuzz {
namespace {

// Programs of this fuzzer end after far fewer instructions.
constexpr std::uint64_t kBudget = 1 << 18;

// Stopped by a bound that verification does not promise to keep, or by packet bytes that a moved edge uncovered: they
// may be read, as in Linux, and hold what was there before.
bool is_harmless(const Diagnostic& trap) {
  const auto says = [&](const char* text) { return trap.message.find(text) != std::string::npos; };
  if (says("of the packet, not all of which was written before")) return true;
  if (trap.kind == ErrorKind::limit) return trap.error == ETIME || trap.message.starts_with("too many map values");
  return trap.kind == ErrorKind::unsupported;
}

}  // namespace

Judge::Judge() {
  device_ = interp::backend().open({.environment = &world_.environment(), .instruction_budget = kBudget}).value();
  frame_ = exec::Frame::make({}).value();
}

program::Source Judge::source_of(const Candidate& candidate) {
  return {.name = "fuzz",
          .type = isa::ProgType::xdp,
          .gpl_compatible = true,
          .slots = candidate.slots,
          .maps = map_specs()};
}

Result<std::shared_ptr<const verifier::VerifiedProgram>> Judge::verify(const Candidate& candidate,
                                                                       verifier::Report* report) {
  auto program = program::Program::decode(source_of(candidate));
  if (!program) return std::unexpected(std::move(program.error()));
  return verifier::verify(std::move(*program), candidate.options, report);
}

Outcome Judge::judge(const Candidate& candidate, unsigned runs, std::uint64_t seed) {
  Outcome outcome;
  verifier::Report report;
  auto verified = verify(candidate, &report);
  outcome.processed = report.processed_instructions;
  if (!verified) {
    outcome.verdict = report.processed_instructions == 0 ? Outcome::Verdict::malformed : Outcome::Verdict::rejected;
    outcome.refusal = std::move(verified.error());
    return outcome;
  }
  outcome.verdict = Outcome::Verdict::accepted;
  const std::uint64_t before = device_->counters().instructions;
  auto image = interp::backend().compile(std::move(*verified), {.assert_facts = true});
  if (!image || !device_->load(std::move(*image))) {
    outcome.finding = image ? "the interpreter does not load it" : image.error().text();
    return outcome;
  }
  for (std::uint32_t i = 0; i < kMapCount; ++i) std::ignore = device_->bind(i, world_.maps()[i]);
  outcome.finding = run(candidate, runs, seed);
  outcome.executed = device_->counters().instructions - before;
  return outcome;
}

std::string Judge::run(const Candidate& candidate, unsigned runs, std::uint64_t seed) {
  for (unsigned i = 0; i < runs; ++i) {
    Random random(seed, i);
    world_.prepare(random, candidate.slots, frame_);
    if (auto ran = device_->run({&frame_, 1}); !ran) return ran.error().text();
    if (frame_.trap != nullptr && !is_harmless(*frame_.trap)) return frame_.trap->text();
  }
  return {};
}

}  // namespace forager::fuzz
