// SPDX-License-Identifier: Apache-2.0
//
// Graph: the blocks of one function that can be reached, by what steps are left; their order, dominators and loops.
//
// Tested by: tests/unit/opencl_compile_test.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "jit-backends/common/code.h"

namespace forager::jit::opencl {

class Graph {
 public:
  Graph(const Code& code, std::uint32_t subprogram);

  // Blocks in reverse postorder; the entry is the first.
  [[nodiscard]] const std::vector<std::uint32_t>& order() const { return order_; }
  // Where a block leads: first if nothing is decided or the branch is not taken, then the taken branch.
  [[nodiscard]] const std::vector<std::uint32_t>& successors(std::uint32_t block) const { return at(block).successors; }
  [[nodiscard]] std::uint32_t dominator(std::uint32_t block) const { return at(block).dominator; }
  [[nodiscard]] std::uint32_t position(std::uint32_t block) const { return at(block).position; }
  [[nodiscard]] bool dominates(std::uint32_t above, std::uint32_t block) const;
  // Every edge backwards leads to a block that dominates where it comes from.
  [[nodiscard]] bool reducible() const { return reducible_; }
  [[nodiscard]] bool is_header(std::uint32_t block) const { return at(block).header; }
  // Edges that lead there from blocks before it.
  [[nodiscard]] unsigned forward_edges(std::uint32_t block) const { return at(block).forward_edges; }
  // The headers of the loops around a block, outermost first; a header is in its own.
  [[nodiscard]] const std::vector<std::uint32_t>& loops(std::uint32_t block) const { return at(block).loops; }
  [[nodiscard]] bool in_loop(std::uint32_t block, std::uint32_t header) const;

 private:
  struct Node {
    std::vector<std::uint32_t> successors, predecessors, loops;
    std::uint32_t position = program::kNone, dominator = program::kNone;
    unsigned forward_edges = 0;
    bool header = false;
  };
  [[nodiscard]] const Node& at(std::uint32_t block) const { return nodes_[block - first_]; }
  [[nodiscard]] Node& at(std::uint32_t block) { return nodes_[block - first_]; }

  [[nodiscard]] std::vector<std::uint32_t> leads_to(const Code& code, std::uint32_t block) const;
  void walk(const Code& code, std::uint32_t entry);
  void find_dominators();
  [[nodiscard]] std::uint32_t meet(std::uint32_t a, std::uint32_t b) const;
  void find_loops();
  void mark_loop(std::uint32_t header);

  std::uint32_t first_ = 0;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> order_;
  bool reducible_ = true;
};

}  // namespace forager::jit::opencl
