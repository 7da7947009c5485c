// SPDX-License-Identifier: Apache-2.0
//
// What the control-flow graph alone decides: code that nothing reaches, and, where asked, that nothing goes back.
#include <cerrno>

#include <fmt/format.h>

#include "verifier/structure.h"

namespace forager::verifier {
namespace {

using isa::Op;
using program::Program;

// Blocks reached from the first subprogram along any edge, through local calls and callbacks too.
std::vector<bool> reached_blocks(const Program& program) {
  std::vector<bool> reached(program.blocks().size(), false);
  std::vector<u32> work;
  const auto visit = [&](u32 block) {
    if (reached[block]) return;
    reached[block] = true;
    work.push_back(block);
  };
  visit(program.subprograms()[0].entry_block);
  while (!work.empty()) {
    const program::Block& block = program.blocks()[work.back()];
    work.pop_back();
    for (u32 at = block.begin; at < block.end; ++at) {
      const program::Instruction& insn = program.instructions()[at];
      if (insn.op == Op::call_local || insn.op == Op::lddw_func) visit(program.block_of(insn.target));
    }
    for (const u32 next : block.successors) visit(next);
  }
  return reached;
}

}  // namespace

Diagnostic diagnose(const Program& program, u32 instruction, ErrorKind kind, int error, std::string message) {
  Diagnostic out;
  out.kind = kind;
  out.error = error;
  out.message = std::move(message);
  out.instruction = program.instructions()[instruction].slot;
  out.source = program.source_line(instruction);
  out.function = program.subprograms()[program.subprogram_of(instruction)].name;
  return out;
}

Result<> check_dead_code(const Program& program) {
  const auto reached = reached_blocks(program);
  for (std::size_t b = 0; b < reached.size(); ++b) {
    if (reached[b]) continue;
    const u32 at = program.blocks()[b].begin;
    return std::unexpected(diagnose(program, at, ErrorKind::rejected, EINVAL,
                                    fmt::format("unreachable insn {}", program.instructions()[at].slot)));
  }
  return {};
}

Result<> check_no_loops(const Program& program) {
  for (u32 at = 0; at < program.instructions().size(); ++at) {
    const program::Instruction& insn = program.instructions()[at];
    const bool back =
        insn.target != program::kNone && insn.target <= at && insn.op != Op::call_local && insn.op != Op::lddw_func;
    if (!back) continue;
    return std::unexpected(diagnose(program, at, ErrorKind::rejected, EINVAL,
                                    fmt::format("back-edge from insn {} to {}: loops are refused by request", insn.slot,
                                                program.instructions()[insn.target].slot)));
  }
  return {};
}

}  // namespace forager::verifier
