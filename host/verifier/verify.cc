// SPDX-License-Identifier: Apache-2.0
//
// verify(): runs the passes, collects the facts and writes the log.
#include "verifier/verify.h"

#include <malloc.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include <fmt/format.h>

#include "program/text.h"
#include "verifier/analysis.h"
#include "verifier/structure.h"
#include "verifier/values.h"

namespace forager::verifier {
namespace {

Result<> check_program_type(const Program& program) {
  const auto id = static_cast<std::uint32_t>(program.type());
  if (isa::find_prog_type(id) != nullptr) return {};
  return fail(ErrorKind::rejected, EINVAL, fmt::format("unknown program type {}", id));
}

Result<> check_shape(const Program& program, const Options& options) {
  if (auto done = check_program_type(program); !done) return done;
  if (auto done = check_dead_code(program); !done) return done;
  if (auto done = check_no_recursion(program); !done) return done;
  return options.strict_loops ? check_no_loops(program) : Result<>{};
}

// The states of a large program are many small blocks, which the allocator keeps for later; its facts are one large
// block, for which they are of no use.
void give_back(const Program& program) {
  constexpr std::size_t kLarge = 50'000;  // instructions: below, the memory is not worth the time
  if (program.instructions().size() > kLarge) malloc_trim(0);
}

// In the kernel's form: the instruction and what is wrong with it, how it came there, then the count.
void log_verdict(const Program& program, const Result<>& verdict, Report& report) {
  std::string& log = report.log;
  if (!verdict) {
    const Diagnostic& error = verdict.error();
    if (!error.source.empty()) log += fmt::format("; {}\n", error.source);
    if (error.instruction) {
      log += fmt::format("{}: ({:02x}) {}\n", *error.instruction, program.slots()[*error.instruction].opcode,
                         to_text(program, program.instruction_at(*error.instruction)));
    }
    log += error.message + "\n";
    if (error.limit) log += fmt::format("limit {}, asked {}\n", *error.limit, error.asked.value_or(0));
    if (!error.path.empty()) log += "the path there:\n";
    for (const std::string& line : error.path) log += "  " + line + "\n";
    if (!error.hint.empty()) log += "hint: " + error.hint + "\n";
  }
  log += fmt::format("stack depth {}\n", report.stack_depth);
  log += fmt::format("processed {} insns (limit {}) total_states {} peak_states {} peak_bytes {}\n",
                     report.processed_instructions, isa::kMaxInstructions, report.total_states, report.peak_states,
                     report.peak_bytes);
}

}  // namespace

class Verification {
 public:
  Verification(const Program& program, const Options& options, Report& report)
      : program_(program), options_(options), report_(report) {}

  Result<> run() {
    if (auto done = check_shape(program_, options_); !done) return done;
    structure_ = find_structure(program_);
    if (auto done = explore(); !done) return done;
    std::vector<bool> reached(proved_.facts.size());
    for (std::size_t i = 0; i < proved_.facts.size(); ++i) reached[i] = proved_.facts[i].reachable;
    if (auto done = check_call_graph(program_, structure_, reached, stack_depths_, report_.stack_depth); !done)
      return done;
    for (std::size_t i = 0; i < proved_.facts.size(); ++i) proved_.facts[i].live = structure_.live_after[i];
    add_value_facts(program_, proved_.facts, proved_.arguments);
    return {};
  }

  struct Proved {
    std::vector<Facts> facts;
    std::vector<ArgumentFacts> arguments;
    std::vector<MapUse> uses;
    BufferUse buffers;
  };
  [[nodiscard]] Proved take() { return std::move(proved_); }

 private:
  // The states are gone when the facts are made: of large programs both are large.
  Result<> explore() {
    std::optional<Analysis> analysis(std::in_place, program_, options_, structure_, report_);
    try {
      analysis->run();
    } catch (Refusal& refusal) {
      return std::unexpected(std::move(refusal.diagnostic));
    }
    Recorder recorder = std::move(analysis->recorder());
    stack_depths_ = analysis->stack_depths();
    proved_.buffers = analysis->buffer_use();
    analysis.reset();
    give_back(program_);
    proved_.facts = recorder.facts();
    proved_.arguments = recorder.take_arguments();
    proved_.uses = recorder.uses();
    return {};
  }

  const Program& program_;
  const Options& options_;
  Report& report_;
  Structure structure_;
  std::vector<u32> stack_depths_;
  Proved proved_;
};

Result<std::shared_ptr<const VerifiedProgram>> verify(program::Program program, const Options& options,
                                                      Report* report) {
  Report own;
  Report& said = report == nullptr ? own : *report;
  said = {};
  std::shared_ptr<VerifiedProgram> verified(new VerifiedProgram(std::move(program)));
  Verification verification(verified->program_, options, said);
  auto verdict = verification.run();
  if (options.log_level > 0) log_verdict(verified->program_, verdict, said);
  if (!verdict) return std::unexpected(std::move(verdict.error()));
  Verification::Proved proved = verification.take();
  verified->facts_ = std::move(proved.facts);
  verified->arguments_ = std::move(proved.arguments);
  verified->uses_ = std::move(proved.uses);
  verified->buffers_ = proved.buffers;
  verified->needs_zeroed_stack_ = options.allow_uninitialised_stack;
  return verified;
}

}  // namespace forager::verifier
