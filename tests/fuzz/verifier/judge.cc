// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/judge.h"

#include <fmt/format.h>

#include <cerrno>
#include <set>

#include "interp/backend.h"
#include "tests/fuzz/verifier/addresses.h"
#include "tests/fuzz/verifier/code.h"

namespace forager::fuzz {
namespace {

// Far more than any path of a program that is verified in 8192 steps (candidate.cc); where each call of a global
// function is one step, though, that is no promise.
constexpr std::uint64_t kBudget = 1 << 18;

// Stopped by a bound that verification does not promise to keep, or by packet bytes that a moved edge uncovered: they
// may be read, as in Linux, and hold what was there before.
bool is_harmless(const Diagnostic& trap, const Candidate& candidate) {
  const auto says = [&](const char* text) { return trap.message.find(text) != std::string::npos; };
  if (says("of the packet, not all of which was written before")) return true;
  if (trap.kind == ErrorKind::limit && trap.error == ETIME) return candidate.global_functions;
  if (trap.kind == ErrorKind::limit) return trap.message.starts_with("too many map values");
  return trap.kind == ErrorKind::unsupported;
}

// What BTF would say of the program's functions: global ones of five numbers.
std::vector<program::FunctionInfo> functions_of(std::span<const isa::Slot> slots) {
  std::set<std::uint32_t> starts;
  for (std::size_t at = 0; at < slots.size(); ++at) {
    const std::int64_t target = static_cast<std::int64_t>(at) + 1 + slots[at].imm;
    const bool inside = target > 0 && target < static_cast<std::int64_t>(slots.size());
    if (is_local_call(slots[at]) && inside) starts.insert(static_cast<std::uint32_t>(target));
  }
  std::vector<program::FunctionInfo> functions = {{.slot = 0, .name = "fuzz"}};
  for (const std::uint32_t start : starts) {
    functions.push_back({.slot = start,
                         .name = fmt::format("f{}", start),
                         .linkage = program::FunctionInfo::Linkage::global,
                         .parameters = std::vector<program::Parameter>(5)});
  }
  return functions;
}

}  // namespace

Judge::Judge(const exec::Backend* rival, const exec::CompileOptions& options) : backend_(rival), options_(options) {
  reset();
}

// All engines begin with the same random numbers and the same maps.
void Judge::reset() {
  world_ = std::make_unique<World>();
  device_ = interp::backend().open({.environment = &world_->environment(), .instruction_budget = kBudget}).value();
  frame_ = exec::Frame::make({}).value();
  if (backend_ != nullptr) rival_ = std::make_unique<Rival>(*backend_, options_);
}

program::Source Judge::source_of(const Candidate& candidate) {
  program::Source source{.name = "fuzz",
                         .type = isa::ProgType::xdp,
                         .gpl_compatible = true,
                         .slots = candidate.slots,
                         .maps = map_specs()};
  if (candidate.global_functions) source.functions = functions_of(candidate.slots);
  return source;
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
  outcome.shows_addresses = rival_ != nullptr && shows_addresses(**verified);
  if (outcome.shows_addresses) return outcome;
  const std::uint64_t before = device_->counters().instructions;
  auto image = interp::backend().compile(*verified, {.assert_facts = true});
  if (!image) return outcome;  // a helper that is not built
  if (auto loaded = device_->load(std::move(*image)); !loaded) {
    outcome.finding = loaded.error().text();
    return outcome;
  }
  for (std::uint32_t i = 0; i < kMapCount; ++i) std::ignore = device_->bind(i, world_->maps()[i]);
  if (rival_ != nullptr) {
    if (auto loaded = rival_->load(*verified); !loaded) {
      if (loaded.error().kind == ErrorKind::unsupported) return outcome;
      outcome.finding = "the interpreter takes the program, the other engine does not: " + loaded.error().text();
      return outcome;
    }
  }
  const std::uint64_t compared = rival_ == nullptr ? 0 : rival_->compared();
  outcome.finding = run(candidate, runs, seed);
  outcome.executed = device_->counters().instructions - before;
  if (rival_ != nullptr) outcome.compared = rival_->compared() - compared;
  if (rival_ != nullptr && (frame_.results().trap != nullptr || !outcome.finding.empty())) reset();
  return outcome;
}

std::string Judge::run(const Candidate& candidate, unsigned runs, std::uint64_t seed) {
  for (unsigned i = 0; i < runs; ++i) {
    Random random(seed, i);
    const Random same = random;
    world_->prepare(random, candidate.slots, frame_);
    if (auto ran = device_->run({&frame_, 1}); !ran) return ran.error().text();
    if (frame_.results().trap != nullptr && !is_harmless(*frame_.results().trap, candidate))
      return frame_.results().trap->text();
    if (rival_ == nullptr) continue;
    if (frame_.results().trap != nullptr) return {};  // the other engine has no such bounds
    if (auto differs = rival_->compare(same, candidate.slots, *world_, frame_); !differs.empty()) return differs;
  }
  return {};
}

}  // namespace forager::fuzz
