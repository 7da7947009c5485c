// SPDX-License-Identifier: Apache-2.0
//
// verify(): runs the passes and writes the log.
#include "verifier/verify.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <linux/bpf.h>

#include "program/text.h"
#include "verifier/passes.h"

namespace forager::verifier {
namespace {

using isa::Op;

// A program that names a map may write to it, through a value pointer if not by a helper; telling more takes the
// pointer tracking of the full verifier.
std::vector<MapUse> map_uses_of(const Program& program, std::span<const Facts> facts) {
  std::vector<MapUse> uses(program.maps().size(), MapUse::unused);
  for (std::size_t at = 0; at < facts.size(); ++at) {
    const Instruction& insn = program.instructions()[at];
    const bool names_map = insn.op == Op::lddw_map_idx || insn.op == Op::lddw_map_idx_value;
    if (!names_map || !facts[at].reachable) continue;
    const std::uint32_t map = program::map_index(insn);
    const bool frozen = (program.maps()[map].flags & BPF_F_RDONLY_PROG) != 0;
    uses[map] = frozen ? MapUse::read_only : MapUse::read_write;
  }
  return uses;
}

Result<> check_program_type(const Program& program) {
  const auto id = static_cast<std::uint32_t>(program.type());
  if (isa::find_prog_type(id) != nullptr) return {};
  return fail(ErrorKind::rejected, EINVAL, fmt::format("unknown program type {}", id));
}

Result<> run_passes(const Program& program, std::span<Facts> facts) {
  if (auto done = check_program_type(program); !done) return done;
  if (auto done = check_dead_code(program); !done) return done;
  mark_reachable(program, facts);
  if (auto done = check_instructions(program, facts); !done) return done;
  return check_call_graph(program, facts);
}

// In the kernel's form: the instruction and what is wrong with it, then the count.
std::string log_of(const Program& program, const Result<>& verdict, std::uint64_t processed) {
  std::string log;
  if (!verdict) {
    const Diagnostic& error = verdict.error();
    if (!error.source.empty()) log += fmt::format("; {}\n", error.source);
    if (error.instruction) {
      log += fmt::format("{}: ({:02x}) {}\n", *error.instruction, program.slots()[*error.instruction].opcode,
                         to_text(program, program.instruction_at(*error.instruction)));
    }
    log += error.message + "\n";
  }
  return log + fmt::format("processed {} insns (limit {})\n", processed, isa::kMaxInstructions);
}

}  // namespace

Result<std::shared_ptr<const VerifiedProgram>> verify(program::Program program, const Options& options,
                                                      Report* report) {
  std::shared_ptr<VerifiedProgram> verified(new VerifiedProgram(std::move(program)));
  verified->facts_ = scan_blocks(verified->program_);
  auto verdict = run_passes(verified->program_, verified->facts_);
  if (report != nullptr) {
    report->processed_instructions =
        static_cast<std::uint64_t>(std::ranges::count(verified->facts_, true, &Facts::reachable));
    if (options.log_level > 0) report->log = log_of(verified->program_, verdict, report->processed_instructions);
  }
  if (!verdict) return std::unexpected(std::move(verdict.error()));
  verified->uses_ = map_uses_of(verified->program_, verified->facts_);
  return verified;
}

}  // namespace forager::verifier
