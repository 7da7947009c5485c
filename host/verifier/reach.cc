// SPDX-License-Identifier: Apache-2.0
//
// Which blocks are reached: by any path of the graph, or only along branches that can go that way.
#include <cerrno>

#include <fmt/format.h>

#include "verifier/passes.h"

namespace forager::verifier {
namespace {

using isa::Op;

// Blocks reached from the first subprogram, through local calls and callbacks too. may_go(last instruction of a block,
// whether along its branch) says which edges count.
template <class MayGo>
std::vector<bool> reached_blocks(const Program& program, MayGo may_go) {
  std::vector<bool> reached(program.blocks().size(), false);
  std::vector<std::uint32_t> work;
  const auto visit = [&](std::uint32_t block) {
    if (reached[block]) return;
    reached[block] = true;
    work.push_back(block);
  };
  visit(program.subprograms()[0].entry_block);
  while (!work.empty()) {
    const program::Block& block = program.blocks()[work.back()];
    work.pop_back();
    for (std::uint32_t at = block.begin; at < block.end; ++at) {
      const Instruction& insn = program.instructions()[at];
      if (insn.op == Op::call_local || insn.op == Op::lddw_func) visit(program.block_of(insn.target));
    }
    // Of two successors the first is the fall-through.
    const bool two_ways = block.successors.size() == 2;
    for (std::size_t i = 0; i < block.successors.size(); ++i) {
      if (!two_ways || may_go(block.end - 1, i == 1)) visit(block.successors[i]);
    }
  }
  return reached;
}

}  // namespace

void mark_reachable(const Program& program, std::span<Facts> facts) {
  const auto reached = reached_blocks(program, [&](std::uint32_t last, bool taken) {
    const Branch branch = facts[last].branch;
    return branch == Branch::both || (branch == Branch::always) == taken;
  });
  for (std::size_t i = 0; i < facts.size(); ++i) {
    facts[i].reachable = reached[program.block_of(static_cast<std::uint32_t>(i))];
  }
}

Result<> check_dead_code(const Program& program) {
  const auto reached = reached_blocks(program, [](std::uint32_t, bool) { return true; });
  for (std::size_t b = 0; b < reached.size(); ++b) {
    if (reached[b]) continue;
    const std::uint32_t at = program.blocks()[b].begin;
    return refuse(program, at, ErrorKind::rejected, EINVAL,
                  fmt::format("unreachable insn {}", program.instructions()[at].slot));
  }
  return {};
}

}  // namespace forager::verifier
