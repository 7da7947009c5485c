// SPDX-License-Identifier: Apache-2.0
//
// Blocks that other passes cut off go away, and so do those that only jump (Code::destination). Of the rest, those that
// only lead to an exit with a constant, as the ways out of a packet that is too short or of no interest do, move behind
// the others of their function.
#include <algorithm>

#include "jit-backends/common/passes/passes.h"

namespace forager::jit {
namespace {

class Arranger {
 public:
  explicit Arranger(Code& code) : code_(code), blocks_(code.program->program().blocks()), reached_(blocks_.size()) {}

  void run() {
    for (const program::Subprogram& subprogram : code_.program->program().subprograms()) {
      if (code_.facts(subprogram.begin).reachable) reach(subprogram.entry_block);
    }
    std::erase_if(code_.layout, [&](std::uint32_t block) { return !reached_[block]; });
    auto begin = code_.layout.begin();
    while (begin != code_.layout.end()) {
      const std::uint32_t function = blocks_[*begin].subprogram;
      const auto end =
          std::find_if(begin, code_.layout.end(), [&](std::uint32_t b) { return blocks_[b].subprogram != function; });
      std::stable_partition(begin + 1, end, [&](std::uint32_t block) { return !is_way_out(block); });
      begin = end;
    }
  }

 private:
  void reach(std::uint32_t first) {
    std::vector<std::uint32_t> waiting = {first};
    while (!waiting.empty()) {
      const std::uint32_t block = waiting.back();
      waiting.pop_back();
      if (reached_[block]) continue;
      reached_[block] = true;
      const Step& last = code_.steps[blocks_[block].end - 1];
      const program::Program& program = code_.program->program();
      const bool falls_through = last.kind != Kind::exit && last.kind != Kind::jump;
      if (falls_through && code_.facts(blocks_[block].end).reachable) {
        waiting.push_back(program.block_of(code_.destination(blocks_[block].end)));
      }
      const bool jumps = last.kind == Kind::jump || last.kind == Kind::branch;
      if (jumps && code_.facts(last.target).reachable) {
        waiting.push_back(program.block_of(code_.destination(last.target)));
      }
    }
  }

  // r0 = constant; exit.
  [[nodiscard]] bool is_way_out(std::uint32_t block) const {
    bool exits = false;
    for (std::uint32_t at = blocks_[block].begin; at < blocks_[block].end; ++at) {
      const Step& step = code_.steps[at];
      exits = step.kind == Kind::exit;
      const bool harmless = exits || step.kind == Kind::none || step.kind == Kind::constant ||
                            (step.kind == Kind::alu && step.alu == Alu::mov && step.has_imm);
      if (!harmless) return false;
    }
    return exits;
  }

  Code& code_;
  std::span<const program::Block> blocks_;
  std::vector<bool> reached_;
};

}  // namespace

void arrange(Code& code) { Arranger(code).run(); }

}  // namespace forager::jit
