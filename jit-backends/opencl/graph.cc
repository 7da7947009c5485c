// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/graph.h"

#include <algorithm>

namespace forager::jit::opencl {

Graph::Graph(const Code& code, std::uint32_t subprogram) {
  const program::Program& program = code.program->program();
  const program::Subprogram& of = program.subprograms()[subprogram];
  first_ = program.block_of(of.begin);
  nodes_.resize(program.block_of(of.end - 1) - first_ + 1);
  walk(code, of.entry_block);
  find_dominators();
  find_loops();
}

// Dead branches are no edges any more; what the facts call unreachable is no block.
std::vector<std::uint32_t> Graph::leads_to(const Code& code, std::uint32_t number) const {
  const program::Program& program = code.program->program();
  const program::Block& block = program.blocks()[number];
  const Step& last = code.steps[block.end - 1];
  std::vector<std::uint32_t> instructions;
  if (last.kind == Kind::exit) return {};
  if (last.kind == Kind::jump) {
    instructions = {last.target};
  } else {
    instructions = {block.end};
    if (last.kind == Kind::branch) instructions.push_back(last.target);
  }
  std::vector<std::uint32_t> blocks;
  for (const std::uint32_t to : instructions) {
    const bool there = to < code.steps.size() && code.facts(to).reachable;
    blocks.push_back(there ? program.block_of(to) : program::kNone);
  }
  return blocks;
}

// Without recursion: a program may have very many blocks.
void Graph::walk(const Code& code, std::uint32_t entry) {
  struct Visit {
    std::uint32_t block;
    std::size_t next = 0;
  };
  std::vector<bool> seen(nodes_.size(), false);
  std::vector<Visit> path = {{entry}};
  seen[entry - first_] = true;
  at(entry).successors = leads_to(code, entry);
  while (!path.empty()) {
    Visit& visit = path.back();
    const auto& successors = at(visit.block).successors;
    if (visit.next == successors.size()) {
      order_.push_back(visit.block);
      path.pop_back();
      continue;
    }
    const std::uint32_t to = successors[visit.next++];
    if (to == program::kNone) continue;
    at(to).predecessors.push_back(visit.block);
    if (seen[to - first_]) continue;
    seen[to - first_] = true;
    at(to).successors = leads_to(code, to);
    path.push_back({to});
  }
  std::ranges::reverse(order_);
  for (std::uint32_t i = 0; i < order_.size(); ++i) at(order_[i]).position = i;
}

// Cooper, Harvey, Kennedy: A simple, fast dominance algorithm (2001).
void Graph::find_dominators() {
  at(order_.front()).dominator = order_.front();
  bool changed = true;
  while (changed) {
    changed = false;
    for (const std::uint32_t block : std::span(order_).subspan(1)) {
      std::uint32_t dominator = program::kNone;
      for (const std::uint32_t from : at(block).predecessors) {
        if (at(from).dominator == program::kNone) continue;
        dominator = dominator == program::kNone ? from : meet(from, dominator);
      }
      changed = changed || at(block).dominator != dominator;
      at(block).dominator = dominator;
    }
  }
}

std::uint32_t Graph::meet(std::uint32_t a, std::uint32_t b) const {
  while (a != b) {
    while (position(a) > position(b)) a = dominator(a);
    while (position(b) > position(a)) b = dominator(b);
  }
  return a;
}

bool Graph::dominates(std::uint32_t above, std::uint32_t block) const {
  while (position(block) > position(above)) block = dominator(block);
  return block == above;
}

void Graph::find_loops() {
  for (const std::uint32_t block : order_) {
    for (const std::uint32_t from : at(block).predecessors) {
      if (position(from) < position(block)) {
        ++at(block).forward_edges;
      } else {
        at(block).header = true;
        reducible_ = reducible_ && dominates(block, from);
      }
    }
  }
  if (!reducible_) return;
  for (const std::uint32_t block : order_) {
    if (is_header(block)) mark_loop(block);
  }
}

// Headers come in order, and an outer one before those that it dominates.
void Graph::mark_loop(std::uint32_t header) {
  std::vector<std::uint32_t> waiting;
  at(header).loops.push_back(header);
  for (const std::uint32_t from : at(header).predecessors) {
    if (position(from) >= position(header)) waiting.push_back(from);
  }
  while (!waiting.empty()) {
    const std::uint32_t block = waiting.back();
    waiting.pop_back();
    if (at(block).loops.empty() || at(block).loops.back() != header) {
      at(block).loops.push_back(header);
      waiting.insert(waiting.end(), at(block).predecessors.begin(), at(block).predecessors.end());
    }
  }
}

bool Graph::in_loop(std::uint32_t block, std::uint32_t header) const {
  return std::ranges::find(loops(block), header) != loops(block).end();
}

}  // namespace forager::jit::opencl
