// SPDX-License-Identifier: Apache-2.0
//
// Blocks, dominators and loops: on programs one can check by eye, and on random ones against the definitions, computed
// here the slow way (a dominator is a block without which the other cannot be reached).
#include <algorithm>
#include <random>
#include <set>

#include "program_testing.h"

namespace forager::program {
namespace {

using testing::decode_text;
using testing::slot;

Program must_decode(std::vector<isa::Slot> slots) {
  Source source;
  source.slots = std::move(slots);
  auto program = Program::decode(std::move(source));
  EXPECT_TRUE(program) << program.error().text();
  return std::move(*program);
}

TEST(Graph, BlocksEndAtJumpsAndTargetsButNotAtCalls) {
  const auto program = decode_text("r0 = 0\ncall 5\nif r0 == 0 goto out\nr0 = 1\nout: exit");
  ASSERT_TRUE(program);
  ASSERT_EQ(program->blocks().size(), 3U);
  EXPECT_EQ(program->blocks()[0].end, 3U);
  EXPECT_EQ(program->blocks()[0].successors, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(program->blocks()[1].successors, (std::vector<std::uint32_t>{2}));
  EXPECT_TRUE(program->blocks()[2].successors.empty());
  EXPECT_EQ(program->blocks()[2].predecessors, (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(program->blocks()[2].immediate_dominator, 0U);
  EXPECT_EQ(program->block_of(3), 1U);
}

TEST(Graph, UnreachableBlocksHaveNoDominator) {
  const auto program = decode_text("goto out\nr0 = 1\nout: r0 = 0\nexit");
  ASSERT_TRUE(program);
  ASSERT_EQ(program->blocks().size(), 3U);
  EXPECT_FALSE(program->blocks()[1].reachable);
  EXPECT_EQ(program->blocks()[1].immediate_dominator, kNone);
  EXPECT_EQ(program->blocks()[2].immediate_dominator, 0U);
}

TEST(Graph, NestedLoops) {
  const auto program = decode_text(
      "r1 = 0\n"
      "outer: r2 = 0\n"
      "inner: r2 += 1\nif r2 < 4 goto inner\n"
      "r1 += 1\nif r1 < 4 goto outer\n"
      "r0 = 0\nexit");
  ASSERT_TRUE(program);
  ASSERT_EQ(program->blocks().size(), 5U);
  const auto depth = [&](std::uint32_t b) { return program->blocks()[b].loop_depth; };
  const auto header = [&](std::uint32_t b) { return program->blocks()[b].loop_header; };
  EXPECT_EQ((std::vector{depth(0), depth(1), depth(2), depth(3), depth(4)}), (std::vector{0U, 1U, 2U, 1U, 0U}));
  EXPECT_EQ((std::vector{header(0), header(1), header(2), header(3), header(4)}),
            (std::vector{kNone, 1U, 2U, 1U, kNone}));
  EXPECT_TRUE(program->reducible());
}

TEST(Graph, AJumpIntoALoopBodyIsIrreducible) {
  const auto program = decode_text(
      "if r1 == 0 goto middle\n"
      "top: r2 = 1\n"
      "middle: r2 += 1\nif r2 < 9 goto top\n"
      "r0 = 0\nexit");
  ASSERT_TRUE(program);
  EXPECT_FALSE(program->reducible());
}

TEST(Graph, SubprogramsAreSeparateGraphs) {
  const auto program = decode_text("call f\nexit\nf: r0 = 0\nback: r0 += 1\nif r0 < 3 goto back\nexit");
  ASSERT_TRUE(program);
  ASSERT_EQ(program->subprograms().size(), 2U);
  const std::uint32_t entry = program->subprograms()[1].entry_block;
  EXPECT_EQ(program->blocks()[entry].immediate_dominator, kNone);
  EXPECT_TRUE(program->blocks()[entry].reachable);
  EXPECT_EQ(program->blocks()[entry + 1].loop_depth, 1U);
  EXPECT_EQ(program->blocks()[entry + 1].subprogram, 1U);
}

// ---- the definitions -----------------------------------------------------------------------------------------------

using Set = std::set<std::uint32_t>;

// What the entry reaches without passing `without`.
Set reached(const Program& program, std::uint32_t without) {
  Set seen;
  std::vector<std::uint32_t> work;
  const auto visit = [&](std::uint32_t b) {
    if (b != without && seen.insert(b).second) work.push_back(b);
  };
  visit(0);
  while (!work.empty()) {
    const std::uint32_t b = work.back();
    work.pop_back();
    for (const std::uint32_t next : program.blocks()[b].successors) visit(next);
  }
  return seen;
}

struct Naive {
  Set reachable;
  std::vector<Set> dominators;  // strict ones
  std::vector<Set> loops;       // by header; empty = no loop
  bool reducible = true;

  [[nodiscard]] bool dominates(std::uint32_t a, std::uint32_t b) const { return a == b || dominators[b].contains(a); }
};

void add_natural_loop(const Program& program, Naive& naive, std::uint32_t latch, std::uint32_t header) {
  Set& loop = naive.loops[header];
  loop.insert(header);
  std::vector<std::uint32_t> work = {latch};
  while (!work.empty()) {
    const std::uint32_t b = work.back();
    work.pop_back();
    if (!naive.reachable.contains(b) || !loop.insert(b).second) continue;
    for (const std::uint32_t before : program.blocks()[b].predecessors) work.push_back(before);
  }
}

// Without back edges nothing may be left of any cycle: take away blocks without successors until nothing changes.
bool acyclic_without_back_edges(const Program& program, const Naive& naive) {
  Set left = naive.reachable;
  const auto has_edge = [&](std::uint32_t b) {
    return std::ranges::any_of(program.blocks()[b].successors,
                               [&](std::uint32_t to) { return left.contains(to) && !naive.dominates(to, b); });
  };
  for (std::size_t before = left.size() + 1; before != left.size();) {
    before = left.size();
    std::erase_if(left, [&](std::uint32_t b) { return !has_edge(b); });
  }
  return left.empty();
}

Naive by_definition(const Program& program) {
  const std::size_t count = program.blocks().size();
  Naive naive{
      .reachable = reached(program, kNone), .dominators = std::vector<Set>(count), .loops = std::vector<Set>(count)};
  for (const std::uint32_t d : naive.reachable) {
    const Set rest = reached(program, d);
    for (const std::uint32_t b : naive.reachable) {
      if (b != d && !rest.contains(b)) naive.dominators[b].insert(d);
    }
  }
  for (const std::uint32_t b : naive.reachable) {
    for (const std::uint32_t to : program.blocks()[b].successors) {
      if (naive.dominates(to, b)) add_natural_loop(program, naive, b, to);
    }
  }
  naive.reducible = acyclic_without_back_edges(program, naive);
  return naive;
}

// The strict dominator that all others dominate.
std::uint32_t immediate_dominator(const Naive& naive, std::uint32_t b) {
  for (const std::uint32_t d : naive.dominators[b]) {
    if (naive.dominators[d].size() + 1 == naive.dominators[b].size()) return d;
  }
  return kNone;
}

void compare(const Program& program) {
  const Naive naive = by_definition(program);
  EXPECT_EQ(program.reducible(), naive.reducible);
  for (std::uint32_t b = 0; b < program.blocks().size(); ++b) {
    const Block& block = program.blocks()[b];
    ASSERT_EQ(block.reachable, naive.reachable.contains(b)) << b;
    if (!block.reachable) continue;
    ASSERT_EQ(block.immediate_dominator, immediate_dominator(naive, b)) << b;
    std::uint32_t depth = 0, innermost = kNone;
    for (std::uint32_t header = 0; header < naive.loops.size(); ++header) {
      if (!naive.loops[header].contains(b)) continue;
      ++depth;
      if (innermost == kNone || naive.dominates(innermost, header)) innermost = header;
    }
    ASSERT_EQ(block.loop_depth, depth) << b;
    ASSERT_EQ(block.loop_header, innermost) << b;
  }
}

// Each slot falls through, jumps or branches; how far is random, so that shapes go from ladders to spaghetti.
std::vector<isa::Slot> random_program(std::mt19937& random) {
  const int count = std::uniform_int_distribution(2, 40)(random);
  const int reach = std::uniform_int_distribution(1, count)(random);
  const int backward = std::uniform_int_distribution(0, reach)(random);
  std::vector<isa::Slot> slots;
  for (int at = 0; at < count; ++at) {
    const int to = std::clamp(at + std::uniform_int_distribution(-backward, reach)(random), 0, count);
    const auto offset = static_cast<std::int16_t>(to - at - 1);
    switch (std::uniform_int_distribution(0, 5)(random)) {
      case 0:
        slots.push_back(slot(0x05, 0, 0, offset, 0));
        break;
      case 1:
        slots.push_back(slot(0xb7, 0, 0, 0, at));
        break;
      case 2:
        slots.push_back(slot(0x95, 0, 0, 0, 0));
        break;
      default:
        slots.push_back(slot(0x15, 1, 0, offset, at));
        break;
    }
  }
  slots.push_back(slot(0x95, 0, 0, 0, 0));
  return slots;
}

TEST(Graph, RandomProgramsAgreeWithTheDefinitions) {
  std::mt19937 random(20261122);
  int irreducible = 0, looping = 0;
  for (int round = 0; round < 3000; ++round) {
    const Program program = must_decode(random_program(random));
    ASSERT_NO_FATAL_FAILURE(compare(program)) << disassemble(program);
    irreducible += program.reducible() ? 0 : 1;
    looping += std::ranges::any_of(program.blocks(), [](const Block& b) { return b.loop_depth > 1; }) ? 1 : 0;
  }
  EXPECT_GT(irreducible, 100);  // or the generator misses what is hard
  EXPECT_GT(looping, 100);
}

// ---- sizes that break quadratic and recursive algorithms
// ---------------------------------------------------------------

TEST(Graph, HalfAMillionEarlyExits) {
  constexpr int kReach = 32000;
  std::vector<isa::Slot> slots;
  slots.reserve(std::size_t{15} * kReach);
  for (int at = 0; at < 15 * kReach; ++at) {
    slots.push_back(at % kReach == kReach - 1
                        ? slot(0x95, 0, 0, 0, 0)
                        : slot(0x15, 1, 0, static_cast<std::int16_t>(kReach - 2 - at % kReach), 0));
  }
  const Program program = must_decode(std::move(slots));
  EXPECT_EQ(program.blocks()[0].successors.size(), 2U);
  EXPECT_EQ(program.blocks()[kReach - 1].predecessors.size(), std::size_t{kReach});  // the last exit arrives twice
  EXPECT_EQ(program.blocks()[kReach - 1].immediate_dominator, 0U);
}

TEST(Graph, SixteenThousandNestedLoops) {
  constexpr int kDepth = 16000;  // the outermost branch spans almost all that 16 bits can say
  std::vector<isa::Slot> slots(kDepth, slot(0xb7, 0, 0, 0, 0));
  for (int i = 0; i < kDepth; ++i) slots.push_back(slot(0x15, 1, 0, static_cast<std::int16_t>(-2 - 2 * i), i));
  slots.push_back(slot(0x95, 0, 0, 0, 0));
  const Program program = must_decode(std::move(slots));
  EXPECT_TRUE(program.reducible());
  EXPECT_EQ(program.blocks()[program.block_of(kDepth - 1)].loop_depth, kDepth);
  EXPECT_EQ(program.blocks()[program.block_of(0)].loop_depth, 1U);
}

}  // namespace
}  // namespace forager::program
