// SPDX-License-Identifier: Apache-2.0
//
// How the control-flow graph of a Program is made: blocks, dominators, natural loops. Private to the program layer.
//
// Every step is near-linear (the dominators O(E log V), Lengauer and Tarjan's with path compression; the loops by
// union-find) and keeps its own stacks: a hostile program of a million slots must cost a fraction of a second and no
// call depth. The simpler iterative dominator algorithm of Cooper, Harvey and Kennedy was considered, but a ladder of
// early exits to one label, the commonest shape of all, makes it quadratic.
//
// Tested by: tests/unit/program_graph_test.cc (random graphs against the definitions).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "program/program.h"

namespace forager::program {

// A jump: it has a target in its own subprogram.
[[nodiscard]] bool is_jump(const Instruction& insn);
// Control may go on at the next instruction.
[[nodiscard]] bool falls_through(const Instruction& insn);

// The line that holds at a slot, or nullptr; "file.c:12: text" of it, or empty. `lines` are sorted by slot.
[[nodiscard]] const LineInfo* line_at(std::span<const LineInfo> lines, std::uint32_t slot);
[[nodiscard]] std::string source_text(std::span<const LineInfo> lines, std::uint32_t slot);

// One subprogram's blocks as the algorithms see them: reached from `entry`, numbered in depth-first preorder.
struct DepthFirst {
  std::vector<std::uint32_t> order;   // preorder number -> block
  std::vector<std::uint32_t> parent;  // preorder number -> preorder number of its tree parent
};
// Visits what is reachable from entry. number[block] is set for every block visited; the others keep their value.
[[nodiscard]] DepthFirst depth_first(std::span<const Block> blocks, std::uint32_t entry,
                                     std::vector<std::uint32_t>& number);

// Immediate dominators by preorder number; the entry's is 0, its own.
[[nodiscard]] std::vector<std::uint32_t> immediate_dominators(std::span<const Block> blocks, const DepthFirst& tree,
                                                              std::span<const std::uint32_t> number);

// Fills loop_header and loop_depth of the blocks in `tree`, whose immediate_dominator is set. False if some cycle is
// not a natural loop.
[[nodiscard]] bool find_loops(std::span<Block> blocks, const DepthFirst& tree, std::span<const std::uint32_t> number);

class GraphBuilder {
 public:
  explicit GraphBuilder(Program& program) : program_(program) {}
  void build();

 private:
  [[nodiscard]] std::vector<bool> find_leaders() const;
  void make_blocks();
  void connect();
  void analyse();

  Program& program_;
};

}  // namespace forager::program
