// SPDX-License-Identifier: Apache-2.0
//
// Control flow without goto, at large: graphs of all shapes, and whether the text that becomes of one leads through the
// same blocks as the graph does, whatever its branches decide. The text is walked here, without a device.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "exec_testing.h"
#include "jit-backends/opencl/structure.h"

namespace forager::jit::opencl {
namespace {

constexpr unsigned kSteps = 300;  // of a walk

// Blocks that lead anywhere, most of them not far.
std::string random_graph(std::mt19937_64& random) {
  const auto below = [&](std::size_t bound) { return random() % bound; };
  const std::size_t blocks = 2 + below(14), far = 1 + below(blocks), back = below(5);
  std::string text;
  const auto other = [&](std::size_t from) {
    if (below(4) < back && from > 0) return from - below(std::min(from, far) + 1);
    return std::min(blocks, from + 1 + below(far));
  };
  for (std::size_t i = 0; i < blocks; ++i) {
    text += fmt::format("b{}: r0 = {}\n", i, i);
    if (below(6) != 0) text += fmt::format("if r1 == {} goto b{}\n", i, other(i));
    if (below(5) == 0) text += fmt::format("goto b{}\n", other(i));
    if (below(12) == 0) text += "exit\n";
  }
  return text + fmt::format("b{}: r0 = 1\nexit\n", blocks);
}

Code code_of_text(const std::string& text, std::shared_ptr<const verifier::VerifiedProgram>& keep) {
  program::Source source{.name = "graph", .type = isa::ProgType::raw_memory};
  source.slots = program::assemble(text, {}).value();
  auto decoded = program::Program::decode(std::move(source));
  if (!decoded) return {};  // the end is not reached
  keep = verifier::UnverifiedForTests::make(std::move(*decoded), [](const auto& claims) {
    for (verifier::Facts& facts : claims.facts) facts.reachable = true;
  });
  return lower(*keep).value();
}

// The text, read as what structure.h says of it.
class Walk {
 public:
  explicit Walk(const Text& text) {
    std::vector<std::size_t> open;
    for (const Line& line : text.lines()) lines_.push_back(line.text);
    partner_.resize(lines_.size(), 0);
    around_.resize(lines_.size(), SIZE_MAX);
    for (std::size_t at = 0; at < lines_.size(); ++at) {
      if (lines_[at].starts_with("}")) {
        partner_[open.back()] = at;
        partner_[at] = open.back();
        open.pop_back();
      }
      for (const std::size_t each : open) {
        if (lines_[each] == "for (;;) {") around_[at] = each;
      }
      if (lines_[at].ends_with("{")) open.push_back(at);
    }
  }

  // Blocks by which it comes; what is wrong stands behind them as kNone.
  template <class Decide>
  std::vector<std::uint32_t> run(const std::set<std::uint32_t>& ends, Decide decide) {
    std::vector<std::uint32_t> seen;
    std::uint32_t to = 0;
    std::size_t at = 0;
    for (std::size_t lines = 0; seen.size() < kSteps; ++lines) {
      if (at >= lines_.size() || lines > 100 * kSteps) return failed(seen);
      const std::string& line = lines_[at];
      if (line[0] == 'B') {
        seen.push_back(number(line, 1));
        if (ends.contains(seen.back())) return seen;
        ++at;
      } else if (line.starts_with("to = ")) {
        to = number(line, 5);
        ++at;
      } else if (line.starts_with("if (to == ")) {
        const bool is = to == number(line, 10);
        at = line.ends_with("break;") ? (is ? after_loop(at) : at + 1) : branch(at, is);
      } else if (line.starts_with("if (")) {
        const bool inverted = line[4] == '!';
        at = branch(at, decide(seen.size()) != inverted);
      } else if (line == "for (;;) {") {
        ++at;
      } else if (line == "} else {") {
        at = partner_[at] + 1;
      } else if (line == "}") {
        at = lines_[partner_[at]] == "for (;;) {" ? partner_[at] : at + 1;
      } else if (line == "break;") {
        at = after_loop(at);
      } else if (line == "continue;") {
        at = around_[at];
      } else {
        return failed(seen);
      }
    }
    return seen;
  }

 private:
  static std::uint32_t number(const std::string& line, std::size_t at) {
    return static_cast<std::uint32_t>(std::stoul(line.substr(at)));
  }
  static std::vector<std::uint32_t> failed(std::vector<std::uint32_t> seen) {
    seen.push_back(program::kNone);
    return seen;
  }
  // Of an if: its first line, or what stands behind its first part.
  [[nodiscard]] std::size_t branch(std::size_t at, bool taken) const { return taken ? at + 1 : partner_[at] + 1; }
  [[nodiscard]] std::size_t after_loop(std::size_t at) const { return partner_[around_[at]] + 1; }

  std::vector<std::string> lines_;
  std::vector<std::size_t> partner_, around_;  // of brackets; the loop around
};

template <class Decide>
std::vector<std::uint32_t> walk_graph(const Graph& graph, Decide decide) {
  std::vector<std::uint32_t> seen;
  std::uint32_t block = graph.order().front();
  while (seen.size() < kSteps) {
    seen.push_back(block);
    const auto& next = graph.successors(block);
    if (next.empty()) break;
    block = next.size() == 2 && decide(seen.size()) ? next[1] : next[0];
  }
  return seen;
}

std::string text_of(const Text& text) {
  std::string all;
  for (const Line& line : text.lines()) all += std::string(2 * line.depth, ' ') + line.text + "\n";
  return all;
}

TEST(OpenclStructure, LeadsWhereTheGraphDoes) {
  const char* asked = std::getenv("FORAGER_OPENCL_GRAPHS");
  const unsigned count = asked == nullptr ? 3000 : static_cast<unsigned>(std::atoi(asked));
  unsigned switched = 0, taken = 0;
  for (unsigned seed = 1; seed <= count; ++seed) {
    std::mt19937_64 random(seed);
    const std::string source = random_graph(random);
    std::shared_ptr<const verifier::VerifiedProgram> program;
    const Code code = code_of_text(source, program);
    if (program == nullptr) continue;
    const Graph graph(code, 0);
    std::set<std::uint32_t> ends;
    for (const std::uint32_t block : graph.order()) {
      if (graph.successors(block).empty()) ends.insert(block);
    }
    const bool repeats = seed % 2 == 0;
    const Structured made =
        structured(graph, {.body = [](Text& text, std::uint32_t block) { text.add(fmt::format("B{}", block)); },
                           .condition = [](std::uint32_t, bool inverted) { return std::string(inverted ? "!C" : "C"); },
                           .is_short_exit = [&](std::uint32_t block) { return repeats && ends.contains(block); }});
    if (made.switched) {
      EXPECT_FALSE(graph.reducible()) << "seed " << seed << "\n" << source;
      ++switched;
      continue;
    }
    ++taken;
    for (std::uint64_t choice = 0; choice < 40; ++choice) {
      const auto decide = [&](std::size_t step) {
        std::uint64_t mixed = (choice * 1000 + step) * 0x9e3779b97f4a7c15;
        mixed = (mixed ^ mixed >> 31) * 0xbf58476d1ce4e5b9;
        return (mixed >> 40) % 8 < choice % 8;
      };
      ASSERT_EQ(walk_graph(graph, decide), Walk(made.text).run(ends, decide)) << "seed " << seed << "\n"
                                                                              << source << "\n"
                                                                              << text_of(made.text);
    }
  }
  EXPECT_GT(taken, switched);
}

// As deep as a chain of branches can be: the walk is recursive, and what comes of it is too deep for compilers.
TEST(OpenclStructure, EndsForLongChains) {
  std::string text;
  for (unsigned i = 0; i < 1360; ++i)
    text += fmt::format("r0 = {}\nif r1 == {} goto out\nif r2 == r1 goto o{}\n", i, i, i);
  text += "r0 = 7\nexit\nout: r0 += 1\nr0 += 2\nr0 += 3\nexit\n";
  for (unsigned i = 0; i < 1360; ++i) text += fmt::format("o{}: r0 += {}\nexit\n", i, i);
  std::shared_ptr<const verifier::VerifiedProgram> program;
  const Code code = code_of_text(text, program);
  const Graph graph(code, 0);
  const Structured made =
      structured(graph, {.body = [](Text& to, std::uint32_t block) { to.add(fmt::format("B{}", block)); },
                         .condition = [](std::uint32_t, bool) { return std::string("C"); },
                         .is_short_exit = [](std::uint32_t) { return false; }});
  EXPECT_TRUE(made.switched);
}

}  // namespace
}  // namespace forager::jit::opencl
