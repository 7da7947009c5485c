// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/structure.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>

namespace forager::jit::opencl {
namespace {

constexpr std::size_t kMostBlocks = 4096;  // the walk is recursive
constexpr unsigned kDeepest = 100;         // clang takes 256 brackets
constexpr const char* kNobody = "return 0;  // nobody comes here";

// Blocks that may be next where a piece of text ends; none: its end is not reached.
using Exits = std::set<std::uint32_t>;

class Structurer {
 public:
  Structurer(const Graph& graph, const BlockWriter& writer) : graph_(graph), writer_(writer) {
    for (const std::uint32_t block : graph.order()) place(block);
  }

  // False if something is next that nobody takes.
  bool run() { return tree(text_, graph_.order().front()).empty() && left_.empty(); }

  Structured finish() {
    Structured made;
    std::erase_if(text_.lines(),
                  [&](const Line& line) { return line.leads_to != program::kNone && !asked_.contains(line.leads_to); });
    made.uses_to = !asked_.empty();
    made.text = std::move(text_);
    return made;
  }

 private:
  // Where a block stands that does not stand where it is branched to: behind the block that dominates it, or behind
  // the outermost loop that is left on the way.
  void place(std::uint32_t block) {
    if (block == graph_.order().front() || writer_.is_short_exit(block)) return;
    const std::uint32_t above = graph_.dominator(block);
    for (const std::uint32_t header : graph_.loops(above)) {
      if (graph_.in_loop(block, header)) continue;
      placed_.insert(block);
      behind_loops_[header].push_back(block);
      return;
    }
    if (graph_.forward_edges(block) < 2) return;
    placed_.insert(block);
    merges_[above].push_back(block);
  }

  Exits tree(Text& text, std::uint32_t block) {
    if (!graph_.is_header(block)) return with_merges(text, block);
    text.open("for (;;) {");
    loops_.push_back(block);
    broken_.emplace_back();
    Exits at_end = with_merges(text, block);
    at_end.erase(block);
    left_.insert(at_end.begin(), at_end.end());
    loops_.pop_back();
    text.close();
    Exits exits = hand_on(text, std::exchange(broken_.back(), {}));
    broken_.pop_back();
    return follow(text, std::move(exits), behind_loops_[block]);
  }

  Exits with_merges(Text& text, std::uint32_t block) {
    writer_.body(text, block);
    return follow(text, leave(text, block), merges_[block]);
  }

  // Blocks in their order behind a piece of text that leads to them, and elsewhere.
  Exits follow(Text& text, Exits exits, std::span<const std::uint32_t> blocks) {
    for (const std::uint32_t block : blocks) {
      if (exits.erase(block) == 0) continue;
      if (exits.empty()) {
        exits = tree(text, block);
        continue;
      }
      asked_.insert(block);
      asked_.insert(exits.begin(), exits.end());
      text.open(fmt::format("if (to == {}) {{", block));
      exits.merge(tree(text, block));
      text.close();
    }
    return exits;
  }

  // Behind a loop: whoever left it for something outside the next one leaves that too.
  Exits hand_on(Text& text, const Exits& broken) {
    if (loops_.empty()) return broken;
    Exits out, stay;
    for (const std::uint32_t to : broken) (leads_out(to) ? out : stay).insert(to);
    if (out.empty()) return stay;
    broken_[broken_.size() - 2].insert(out.begin(), out.end());
    if (stay.empty()) {
      text.add("break;");
      return {};
    }
    asked_.insert(broken.begin(), broken.end());
    for (const std::uint32_t to : out) text.add(fmt::format("if (to == {}) break;", to));
    return stay;
  }

  [[nodiscard]] bool leads_out(std::uint32_t to) const { return !graph_.in_loop(to, loops_.back()); }

  Exits leave(Text& text, std::uint32_t block) {
    const auto& successors = graph_.successors(block);
    if (successors.empty()) return {};
    if (successors.size() == 1) return branch(text, successors.front());
    Text taken, other;
    Exits if_taken = branch(taken, successors[1]);
    Exits if_not = branch(other, successors[0]);
    if (if_taken.empty()) {
      put_if(text, block, false, std::move(taken));
      text.append(std::move(other));
    } else if (if_not.empty()) {
      put_if(text, block, true, std::move(other));
      text.append(std::move(taken));
    } else {
      text.open(fmt::format("if ({}) {{", writer_.condition(block, false)));
      text.append(std::move(taken));
      text.otherwise();
      text.append(std::move(other));
      text.close();
    }
    if_taken.merge(if_not);
    return if_taken;
  }

  void put_if(Text& text, std::uint32_t block, bool inverted, Text body) {
    text.open(fmt::format("if ({}) {{", writer_.condition(block, inverted)));
    text.append(std::move(body));
    text.close();
  }

  Exits branch(Text& text, std::uint32_t to) {
    if (to == program::kNone) {
      text.add(kNobody);
      return {};
    }
    if (writer_.is_short_exit(to)) {
      writer_.body(text, to);
      return {};
    }
    const bool back = std::ranges::find(loops_, to) != loops_.end();
    if (back && loops_.back() == to) {
      text.add("continue;");
      return {};
    }
    if (!back && !placed_.contains(to)) return tree(text, to);
    text.lead_to(to, fmt::format("to = {};", to));
    if (loops_.empty() || !(back || leads_out(to))) return {to};
    text.add("break;");
    broken_.back().insert(to);
    return {};
  }

  const Graph& graph_;
  const BlockWriter& writer_;
  Text text_;
  std::map<std::uint32_t, std::vector<std::uint32_t>> merges_, behind_loops_;
  std::set<std::uint32_t> placed_, asked_;
  std::vector<std::uint32_t> loops_;  // headers of those around, outermost first
  std::vector<Exits> broken_;         // for what each of them was left
  Exits left_;                        // what stood at a loop's end and is not its header
};

// A block a case; what is next stands in `to`.
class Switch {
 public:
  Switch(const Graph& graph, const BlockWriter& writer) : graph_(graph), writer_(writer) {}

  Structured run() {
    Structured made{.text = {}, .uses_to = true, .switched = true};
    Text& text = made.text;
    text.add(fmt::format("to = {};", graph_.order().front()));
    text.open("for (;;) {");
    text.open("switch (to) {");
    for (const std::uint32_t block : graph_.order()) put(text, block);
    text.add("default: return 0;");
    text.close();
    text.close();
    return made;
  }

 private:
  void put(Text& text, std::uint32_t block) {
    text.open(fmt::format("case {}: {{", block));
    writer_.body(text, block);
    const auto& successors = graph_.successors(block);
    if (successors.size() == 2) {
      text.open(fmt::format("if ({}) {{", writer_.condition(block, false)));
      lead(text, successors[1]);
      text.close();
    }
    if (!successors.empty()) lead(text, successors[0]);
    text.close();
  }
  static void lead(Text& text, std::uint32_t to) {
    if (to == program::kNone) return text.add(kNobody);
    text.add(fmt::format("to = {};", to));
    text.add("break;");
  }

  const Graph& graph_;
  const BlockWriter& writer_;
};

}  // namespace

Structured structured(const Graph& graph, const BlockWriter& writer) {
  if (graph.reducible() && graph.order().size() <= kMostBlocks) {
    Structurer structurer(graph, writer);
    if (structurer.run()) {
      Structured made = structurer.finish();
      if (made.text.deepest() <= kDeepest) return made;
    }
  }
  return Switch(graph, writer).run();
}

}  // namespace forager::jit::opencl
