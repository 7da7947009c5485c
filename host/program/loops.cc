// SPDX-License-Identifier: Apache-2.0
//
// Natural loops: a header, and all blocks that reach one of its back edges without passing it. Loops of one header are
// one loop. Headers are taken innermost first (a dominator has the smaller preorder number); a loop already found is
// entered at its header in one step, by union-find, so that nesting costs nothing.
#include <numeric>

#include "program/graph.h"

namespace forager::program {
namespace {

// When the depth-first walk and the walk of the dominator tree enter and leave each vertex, by preorder number:
// "a is above b" is then two comparisons.
struct Intervals {
  std::vector<std::uint32_t> enter, leave;
  [[nodiscard]] bool above(std::uint32_t a, std::uint32_t b) const {
    return enter[a] <= enter[b] && leave[b] <= leave[a];
  }
};

// Of a tree given by parents that are smaller than their children.
Intervals intervals_of(std::span<const std::uint32_t> parent) {
  const std::size_t count = parent.size();
  std::vector<std::uint32_t> size(count, 1), given(count, 1);
  for (std::size_t v = count; v-- > 1;) size[parent[v]] += size[v];
  Intervals out{std::vector<std::uint32_t>(count, 0), std::vector<std::uint32_t>(count, 0)};
  for (std::size_t v = 0; v < count; ++v) {
    if (v > 0) {
      out.enter[v] = out.enter[parent[v]] + given[parent[v]];
      given[parent[v]] += size[v];
    }
    out.leave[v] = out.enter[v] + size[v];
  }
  return out;
}

class LoopFinder {
 public:
  LoopFinder(std::span<Block> blocks, const DepthFirst& tree, std::span<const std::uint32_t> number)
      : blocks_(blocks),
        tree_(tree),
        number_(number),
        count_(static_cast<std::uint32_t>(tree.order.size())),
        outermost_(count_),
        around_(count_, kNone),
        header_(count_, false) {
    std::iota(outermost_.begin(), outermost_.end(), 0U);
  }

  bool run() {
    const Intervals walked = intervals_of(tree_.parent);
    const Intervals dominated = intervals_of(dominators());
    bool reducible = true;
    for (std::uint32_t head = count_; head-- > 0;) {
      for_predecessors(head, [&](std::uint32_t from) {
        if (dominated.above(head, from)) {
          header_[head] = true;
          work_.push_back(from);
        } else if (walked.above(head, from)) {
          reducible = false;  // an edge back to a block that control may have gone around
        }
      });
      absorb(head);
    }
    store();
    return reducible;
  }

 private:
  std::vector<std::uint32_t> dominators() const {
    std::vector<std::uint32_t> idom(count_, 0);
    for (std::uint32_t v = 1; v < count_; ++v) idom[v] = number_[block(v).immediate_dominator];
    return idom;
  }

  Block& block(std::uint32_t v) const { return blocks_[tree_.order[v]]; }

  template <class Visit>
  void for_predecessors(std::uint32_t v, Visit visit) const {
    for (const std::uint32_t from : block(v).predecessors) {
      if (number_[from] != kNone) visit(number_[from]);
    }
  }

  // The header of the outermost loop found so far around v, or v itself.
  std::uint32_t outermost(std::uint32_t v) {
    while (outermost_[v] != v) v = outermost_[v] = outermost_[outermost_[v]];
    return v;
  }

  // Everything that reaches work_ without passing head becomes part of head's loop.
  void absorb(std::uint32_t head) {
    while (!work_.empty()) {
      const std::uint32_t v = outermost(work_.back());
      work_.pop_back();
      if (v == head) continue;
      outermost_[v] = around_[v] = head;
      for_predecessors(v, [&](std::uint32_t from) { work_.push_back(from); });
    }
  }

  // around_[v] is the loop around v, and for a header the loop around its loop; it is always a smaller number.
  void store() {
    for (std::uint32_t v = 0; v < count_; ++v) {
      const std::uint32_t depth = around_[v] == kNone ? 0 : block(around_[v]).loop_depth;
      block(v).loop_depth = depth + (header_[v] ? 1 : 0);
      const std::uint32_t innermost = header_[v] ? v : around_[v];
      block(v).loop_header = innermost == kNone ? kNone : tree_.order[innermost];
    }
  }

  std::span<Block> blocks_;
  const DepthFirst& tree_;
  std::span<const std::uint32_t> number_;
  std::uint32_t count_;
  std::vector<std::uint32_t> outermost_, around_, work_;
  std::vector<bool> header_;
};

}  // namespace

bool find_loops(std::span<Block> blocks, const DepthFirst& tree, std::span<const std::uint32_t> number) {
  return LoopFinder(blocks, tree, number).run();
}

}  // namespace forager::program
