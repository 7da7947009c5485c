// SPDX-License-Identifier: Apache-2.0
//
// The path to where an analysis stands, for people: the last decisions on it, each with its C line.
#include <algorithm>

#include "program/text.h"
#include "verifier/analysis.h"

namespace forager::verifier {

using isa::Form;

namespace {

constexpr std::size_t kShown = 8;

bool decides(Form form) { return form == Form::jump_imm || form == Form::jump_reg; }

}  // namespace

std::vector<std::string> Analysis::path() const {
  // Lists of steps from the last to the first.
  std::vector<std::span<const Step>> parts{state_.steps};
  for (const Checkpoint* at = state_.parent.get(); at != nullptr; at = at->parent.get()) parts.emplace_back(at->steps);
  std::vector<std::string> lines;
  std::size_t decisions = 0;
  u32 next = at_;
  for (const auto& part : parts) {
    for (std::size_t i = part.size(); i-- > 0;) {
      const u32 at = part[i].instruction;
      const Instruction& insn = instruction(at);
      const bool shown = decides(isa::row(insn.op).form) && at != next && insn.target != at + 1;
      if (shown && ++decisions <= kShown) {
        const std::string source = program_.source_line(at);
        lines.push_back(fmt::format("{}: {}: {}{}", insn.slot, program::to_text(program_, at),
                                    next == insn.target ? "yes" : "no", source.empty() ? "" : "  (" + source + ")"));
      }
      next = at;
    }
  }
  if (decisions > kShown) lines.push_back(fmt::format("... {} earlier decisions", decisions - kShown));
  std::ranges::reverse(lines);
  return lines;
}

}  // namespace forager::verifier
