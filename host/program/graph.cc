// SPDX-License-Identifier: Apache-2.0
//
// Basic blocks and their edges; the analyses are in dominators.cc and loops.cc.
#include "program/graph.h"

namespace forager::program {

using isa::Form;

bool is_jump(const Instruction& insn) {
  const Form form = isa::row(insn.op).form;
  return form == Form::jump || form == Form::jump_long || form == Form::jump_imm || form == Form::jump_reg;
}

bool falls_through(const Instruction& insn) {
  const Form form = isa::row(insn.op).form;
  return form != Form::exit && form != Form::jump && form != Form::jump_long;
}

void GraphBuilder::build() {
  make_blocks();
  connect();
  analyse();
}

// Where blocks begin: at subprograms, jump targets, and behind every jump and exit.
std::vector<bool> GraphBuilder::find_leaders() const {
  const auto& code = program_.instructions_;
  std::vector<bool> leader(code.size() + 1, false);
  for (const Subprogram& sub : program_.subprograms_) leader[sub.begin] = true;
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (is_jump(code[i])) leader[code[i].target] = true;
    if (is_jump(code[i]) || !falls_through(code[i])) leader[i + 1] = true;
  }
  return leader;
}

void GraphBuilder::make_blocks() {
  const std::vector<bool> leader = find_leaders();
  program_.block_of_.resize(program_.instructions_.size());
  for (std::uint32_t number = 0; Subprogram & sub : program_.subprograms_) {
    sub.entry_block = static_cast<std::uint32_t>(program_.blocks_.size());
    for (std::uint32_t at = sub.begin; at < sub.end; ++at) {
      if (leader[at]) program_.blocks_.push_back({.begin = at, .end = at, .subprogram = number});
      program_.blocks_.back().end = at + 1;
      program_.block_of_[at] = static_cast<std::uint32_t>(program_.blocks_.size() - 1);
    }
    ++number;
  }
}

void GraphBuilder::connect() {
  auto& blocks = program_.blocks_;
  const auto add_edge = [&](std::uint32_t from, std::uint32_t to) {
    blocks[from].successors.push_back(to);
    blocks[to].predecessors.push_back(from);
  };
  for (std::uint32_t b = 0; b < blocks.size(); ++b) {
    const Instruction& last = program_.instructions_[blocks[b].end - 1];
    if (falls_through(last)) add_edge(b, b + 1);
    if (is_jump(last)) add_edge(b, program_.block_of_[last.target]);
  }
}

void GraphBuilder::analyse() {
  auto& blocks = program_.blocks_;
  std::vector<std::uint32_t> number(blocks.size(), kNone);
  for (const Subprogram& sub : program_.subprograms_) {
    const DepthFirst tree = depth_first(blocks, sub.entry_block, number);
    const std::vector<std::uint32_t> idom = immediate_dominators(blocks, tree, number);
    for (std::size_t i = 0; i < tree.order.size(); ++i) {
      blocks[tree.order[i]].reachable = true;
      if (i > 0) blocks[tree.order[i]].immediate_dominator = tree.order[idom[i]];
    }
    if (!find_loops(blocks, tree, number)) program_.reducible_ = false;
  }
}

}  // namespace forager::program
