// SPDX-License-Identifier: Apache-2.0
//
// The verifier's fuzzer itself: programs are told by their numbers, are of every kind, and what goes wrong in one is
// noticed and made small.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "program/text.h"
#include "tests/fuzz/verifier/code.h"
#include "tests/fuzz/verifier/divergences.h"
#include "tests/fuzz/verifier/generator.h"
#include "tests/fuzz/verifier/minimise.h"
#include "tests/fuzz/verifier/soak.h"

namespace forager::fuzz {
namespace {

using ::testing::HasSubstr;

Slots assemble(const std::string& text) { return program::assemble(text).value(); }

TEST(FuzzGenerator, TheSameNumbersGiveTheSameProgram) {
  for (std::uint64_t index = 0; index < 50; ++index) {
    EXPECT_EQ(make_candidate(3, index).slots, make_candidate(3, index).slots);
    EXPECT_NE(make_candidate(3, index).slots, make_candidate(4, index).slots);
  }
}

TEST(FuzzGenerator, ProgramsAreWellFormed) {
  for (std::uint64_t index = 0; index < 500; ++index) {
    const Candidate candidate{.slots = Generator(7, index).program()};
    const auto decoded = program::Program::decode(Judge::source_of(candidate));
    EXPECT_TRUE(decoded) << decoded.error().text() << "\n" << text_of(candidate.slots);
  }
}

TEST(FuzzGenerator, EveryKindOfInstructionOccurs) {
  std::set<isa::Op> seen;
  std::set<std::int32_t> helpers;
  for (std::uint64_t index = 0; index < 3000; ++index) {
    for (const Slot& one : Generator(1, index).program()) {
      if (const isa::Row* row = isa::find_row(one)) seen.insert(row->op);
      if (one.opcode == (BPF_JMP | BPF_CALL) && one.src == 0) helpers.insert(one.imm);
    }
  }
  for (const isa::Row& row : isa::rows()) {
    const std::string_view name = row.name;
    const bool foreign = row.form == isa::Form::packet_abs || row.form == isa::Form::packet_ind ||
                         row.form == isa::Form::call_register || row.form == isa::Form::jump_long ||
                         name.starts_with("lddw_") || name == "call_kfunc";
    EXPECT_TRUE(foreign || seen.contains(row.op)) << name;
  }
  EXPECT_GT(helpers.size(), 15U);
}

// Whether the call's r2 was made in its block from something else than r10.
bool key_is_lent(const program::Program& program, std::uint32_t call) {
  const std::uint32_t begin = program.blocks()[program.block_of(call)].begin;
  for (std::uint32_t at = call; at-- > begin;) {
    const program::Instruction& insn = program.instructions()[at];
    if (insn.dst == 2 && insn.op == isa::Op::mov64_reg) return insn.src != isa::kFramePointer;
  }
  return false;
}

TEST(FuzzGenerator, FunctionsReachTheStackThatTheyWereLent) {
  unsigned keys = 0, two_up = 0;
  for (std::uint64_t index = 0; index < 3000; ++index) {
    const auto verified = Judge::verify({.slots = Generator(1, index).program()}, nullptr);
    if (!verified) continue;
    const program::Program& program = (*verified)->program();
    for (std::uint32_t at = 0; at < program.instructions().size(); ++at) {
      const verifier::Facts& facts = (*verified)->facts()[at];
      if (!facts.reachable) continue;
      if (facts.access.region == verifier::Region::stack && facts.access.frame == 2) ++two_up;
      if (program.instructions()[at].op != isa::Op::call_helper || facts.call.arguments == program::kNone) continue;
      const verifier::ArgumentFact& key = (*verified)->call_arguments()[facts.call.arguments][1];
      const bool lookup = program.instructions()[at].imm == BPF_FUNC_map_lookup_elem;
      if (lookup && key.region == verifier::Region::stack && key_is_lent(program, at)) ++keys;
    }
  }
  EXPECT_GT(keys, 20U);
  EXPECT_GT(two_up, 5U);
}

TEST(FuzzJudge, NoticesWhatTheVerifierMissed) {
  // Linux lets root read stack that was never written, so it can be allowed; the checked interpreter stops there.
  const Candidate candidate{.slots = assemble("r0 = *(u64 *)(r10 -8)\nr0 &= 1\nexit"),
                            .options = {.allow_uninitialised_stack = true}};
  Judge judge;
  const Outcome outcome = judge.judge(candidate, 1, 1);
  ASSERT_EQ(outcome.verdict, Outcome::Verdict::accepted) << outcome.refusal.text();
  EXPECT_THAT(outcome.finding, HasSubstr("not all of which was written before, at instruction 0"));
}

TEST(FuzzJudge, SaysWhyAProgramIsRefused) {
  const Outcome outcome = Judge().judge({.slots = assemble("call +1\nexit\ncall -1\nexit")}, 1, 1);
  EXPECT_NE(outcome.verdict, Outcome::Verdict::accepted);
  EXPECT_NE(outcome.refusal.message, "");
}

TEST(FuzzMinimise, JumpsAndCallsLeadToWhatFollows) {
  const Slots program = assemble("r0 = 0\nif r1 == 0 goto +2\nr2 = 1 ll\ncall +1\nexit\nr3 = 1\nexit");
  EXPECT_EQ(without(program, {false, false, true, true, false, false, true, false}),
            assemble("r0 = 0\nif r1 == 0 goto +0\ncall +1\nexit\nexit"));
  EXPECT_EQ(without(program, {true, false, true, false, false, false, false, false}),
            assemble("if r1 == 0 goto +2\nr2 = 1 ll\ncall +1\nexit\nr3 = 1\nexit"));
}

TEST(FuzzMinimise, KeepsWhatShows) {
  const Slots program = assemble("r1 = 5\nr2 = 6\nif r1 > 3 goto +2\nr2 *= 77\nr3 = r2\nr0 = 0\nexit");
  const auto shows = [](const Slots& slots) {
    return std::ranges::any_of(slots, [](const Slot& one) { return BPF_OP(one.opcode) == BPF_MUL; });
  };
  EXPECT_EQ(minimise(program, shows), assemble("r2 *= 0"));
}

TEST(FuzzText, MessagesOfOneCauseAreOneClass) {
  EXPECT_EQ(class_of("r3 is 0x1f, said to be in [0, 12]"), class_of("r9 is 0xffff, said to be in [7, 0]"));
  EXPECT_NE(class_of("offset 3"), class_of("bounds 3"));
  EXPECT_THAT(text_of(assemble("r1 = 5 ll\nexit")), HasSubstr("  2: exit"));
}

TEST(FuzzDivergences, AReasonNeedsTheMessageAndTheProgram) {
  const std::string_view message = "combined stack size of 2 calls is 544. Too large";
  EXPECT_NE(reason_for(DivergenceKind::looser, message, "r8 += r10"), "");
  EXPECT_EQ(reason_for(DivergenceKind::looser, message, "r8 = r10"), "");
  EXPECT_NE(reason_for(DivergenceKind::stricter, "r1 is read", "if w7 == 0x0 goto pc+1"), "");
  EXPECT_EQ(reason_for(DivergenceKind::stricter, "r1 is read", "if w7 == 0x1 goto pc+1"), "");
}

TEST(FuzzSoak, CountsTheSameOnOneThreadAndOnTwo) {
  const Tally one = soak({.seed = 5, .programs = 300, .runs = 1});
  const Tally two = soak({.seed = 5, .programs = 300, .threads = 2, .runs = 1});
  EXPECT_EQ(one.programs, 300U);
  EXPECT_EQ(one.programs, two.programs);
  EXPECT_EQ(one.accepted, two.accepted);
  EXPECT_EQ(one.refusals, two.refusals);
  EXPECT_GT(one.accepted, one.programs / 10);
}

}  // namespace
}  // namespace forager::fuzz
