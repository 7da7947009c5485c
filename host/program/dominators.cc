// SPDX-License-Identifier: Apache-2.0
//
// Depth-first numbering, and immediate dominators by Lengauer and Tarjan (ACM TOPLAS 1(1), 1979), the O(E log V)
// variant with path compression only. Vertices are preorder numbers throughout.
#include <algorithm>
#include <utility>

#include "program/graph.h"

namespace forager::program {

DepthFirst depth_first(std::span<const Block> blocks, std::uint32_t entry, std::vector<std::uint32_t>& number) {
  DepthFirst tree;
  std::vector<std::pair<std::uint32_t, std::size_t>> stack;  // block, next successor to look at
  const auto visit = [&](std::uint32_t block, std::uint32_t parent) {
    number[block] = static_cast<std::uint32_t>(tree.order.size());
    tree.order.push_back(block);
    tree.parent.push_back(parent);
    stack.emplace_back(block, 0);
  };
  visit(entry, 0);
  while (!stack.empty()) {
    auto& [block, next] = stack.back();
    if (next == blocks[block].successors.size()) {
      stack.pop_back();
      continue;
    }
    const std::uint32_t successor = blocks[block].successors[next++];
    if (number[successor] == kNone) visit(successor, number[block]);
  }
  return tree;
}

namespace {

// The forest of the algorithm: vertices already processed, linked to their tree parents. best(v) is the vertex of least
// semidominator on the path from v up to, and not including, its root.
class Forest {
 public:
  explicit Forest(std::size_t size) : ancestor_(size, kNone), label_(size), semi_(size) {
    for (std::uint32_t v = 0; v < size; ++v) label_[v] = semi_[v] = v;
  }

  void link(std::uint32_t parent, std::uint32_t v) { ancestor_[v] = parent; }
  [[nodiscard]] std::uint32_t semi(std::uint32_t v) const { return semi_[v]; }
  void lower_semi(std::uint32_t v, std::uint32_t candidate) { semi_[v] = std::min(semi_[v], candidate); }

  [[nodiscard]] std::uint32_t best(std::uint32_t v) {
    if (ancestor_[v] == kNone) return v;
    compress(v);
    return label_[v];
  }

 private:
  // Points every vertex of the path at the path's top, carrying the best label down.
  void compress(std::uint32_t v) {
    path_.clear();
    for (; ancestor_[ancestor_[v]] != kNone; v = ancestor_[v]) path_.push_back(v);
    for (; !path_.empty(); path_.pop_back()) {
      const std::uint32_t u = path_.back();
      const std::uint32_t above = ancestor_[u];
      if (semi_[label_[above]] < semi_[label_[u]]) label_[u] = label_[above];
      ancestor_[u] = ancestor_[above];
    }
  }

  std::vector<std::uint32_t> ancestor_, label_, semi_, path_;
};

// Vertices waiting at their semidominator, as linked lists in two arrays.
class Buckets {
 public:
  explicit Buckets(std::size_t size) : first_(size, kNone), next_(size, kNone) {}
  void add(std::uint32_t bucket, std::uint32_t v) { next_[v] = std::exchange(first_[bucket], v); }
  // The next vertex of the bucket, which leaves it; kNone if it is empty.
  std::uint32_t take(std::uint32_t bucket) {
    const std::uint32_t v = first_[bucket];
    if (v != kNone) first_[bucket] = next_[v];
    return v;
  }

 private:
  std::vector<std::uint32_t> first_, next_;
};

}  // namespace

std::vector<std::uint32_t> immediate_dominators(std::span<const Block> blocks, const DepthFirst& tree,
                                                std::span<const std::uint32_t> number) {
  const auto count = static_cast<std::uint32_t>(tree.order.size());
  Forest forest(count);
  Buckets waiting(count);
  std::vector<std::uint32_t> idom(count, 0);
  for (std::uint32_t w = count; w-- > 1;) {
    for (const std::uint32_t block : blocks[tree.order[w]].predecessors) {
      if (number[block] != kNone) forest.lower_semi(w, forest.semi(forest.best(number[block])));
    }
    waiting.add(forest.semi(w), w);
    const std::uint32_t parent = tree.parent[w];
    forest.link(parent, w);
    for (std::uint32_t v = waiting.take(parent); v != kNone; v = waiting.take(parent)) {
      const std::uint32_t u = forest.best(v);
      idom[v] = forest.semi(u) < forest.semi(v) ? u : parent;
    }
  }
  for (std::uint32_t w = 1; w < count; ++w) {
    if (idom[w] != forest.semi(w)) idom[w] = idom[idom[w]];
  }
  return idom;
}

}  // namespace forager::program
