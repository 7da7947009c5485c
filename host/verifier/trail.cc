// SPDX-License-Identifier: Apache-2.0
//
// The path to where an analysis stands, for people: the last decisions on it, each with its C line.
#include <ranges>

#include "program/text.h"
#include "verifier/analysis.h"

namespace forager::verifier {

using isa::Form;

namespace {

constexpr std::size_t kShown = 8;

struct Decision {
  u32 at = 0;
  bool taken = false;
  std::size_t times = 1;  // in a row
};

// Rounds of a loop that decide the same are one line.
void add(std::vector<Decision>& decisions, const Decision& decision, std::size_t& earlier) {
  if (!decisions.empty() && decisions.back().at == decision.at && decisions.back().taken == decision.taken) {
    ++decisions.back().times;
  } else if (decisions.size() < kShown) {
    decisions.push_back(decision);
  } else {
    ++earlier;
  }
}

bool decides(Form form) { return form == Form::jump_imm || form == Form::jump_reg; }

}  // namespace

std::vector<std::string> Analysis::path() const {
  // Lists of steps from the last to the first.
  std::vector<std::span<const Step>> parts{state_.steps};
  for (const Checkpoint* at = state_.parent.get(); at != nullptr; at = at->parent.get()) parts.emplace_back(at->steps);
  std::vector<Decision> decisions;
  std::size_t earlier = 0;
  u32 next = at_;
  for (const auto& part : parts) {
    for (std::size_t i = part.size(); i-- > 0;) {
      const u32 at = part[i].instruction;
      const Instruction& insn = instruction(at);
      if (decides(isa::row(insn.op).form) && at != next && insn.target != at + 1) {
        add(decisions, {at, next == insn.target, 1}, earlier);
      }
      next = at;
    }
  }
  std::vector<std::string> lines;
  if (earlier > 0) lines.push_back(fmt::format("... {} earlier decisions", earlier));
  for (const Decision& decision : decisions | std::views::reverse) {
    const std::string source = program_.source_line(decision.at);
    lines.push_back(fmt::format("{}: {}: {}{}{}", instruction(decision.at).slot,
                                program::to_text(program_, decision.at), decision.taken ? "yes" : "no",
                                decision.times > 1 ? fmt::format(" ({} times)", decision.times) : "",
                                source.empty() ? "" : "  (" + source + ")"));
  }
  return lines;
}

}  // namespace forager::verifier
