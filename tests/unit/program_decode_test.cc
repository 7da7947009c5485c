// SPDX-License-Identifier: Apache-2.0
//
// What decode() accepts, what it makes of it, and what it says of every malformed encoding, target and boundary.
#include <cerrno>

#include "program_testing.h"

namespace forager::program {
namespace {

using isa::Op;
using isa::ProgType;
using testing::decode_slots;
using testing::decode_text;
using testing::slot;
using testing::verdict;

TEST(Decode, WideImmediateIsOneInstructionOfTwoSlots) {
  const auto program = decode_text("r1 = 0x1122334455667788 ll\nr0 = 0\nexit");
  ASSERT_TRUE(program);
  ASSERT_EQ(program->instructions().size(), 3U);
  EXPECT_EQ(program->instructions()[0].imm, 0x1122334455667788U);
  EXPECT_EQ(program->instructions()[1].slot, 2U);
  EXPECT_EQ(program->instruction_at(0), 0U);
  EXPECT_EQ(program->instruction_at(1), kNone);
  EXPECT_EQ(program->instruction_at(2), 1U);
  EXPECT_EQ(program->instruction_at(99), kNone);
}

TEST(Decode, ImmediatesAreSignExtended) {
  const auto program = decode_text("r0 = -2\nexit");
  ASSERT_TRUE(program);
  EXPECT_EQ(program->instructions()[0].imm, ~std::uint64_t{1});
}

TEST(Decode, TargetsAreInstructionsNotSlots) {
  const auto program = decode_text("goto over\nr1 = 0 ll\nover: r0 = 0\nexit");
  ASSERT_TRUE(program) << program.error().text();
  EXPECT_EQ(program->instructions()[0].target, 2U);
  EXPECT_EQ(program->instructions()[2].slot, 3U);
}

TEST(Decode, LongJumpsReadTheImmediate) {
  const auto program = decode_text("gotol over\nr1 = 0\nover: r0 = 0\nexit");
  ASSERT_TRUE(program);
  EXPECT_EQ(program->instructions()[0].op, Op::ja32);
  EXPECT_EQ(program->instructions()[0].target, 2U);
}

TEST(Decode, SubprogramsBeginAtLocalCallsAndFunctionReferences) {
  auto source =
      testing::source_of("call first\nr2 = subprog[second] ll\nexit\nfirst: r0 = 1\nexit\nsecond: r0 = 2\nexit");
  source.name = "entry";
  source.functions = {{.slot = 6, .name = "second_in_c"}};
  const auto program = Program::decode(std::move(source));
  ASSERT_TRUE(program) << program.error().text();
  ASSERT_EQ(program->subprograms().size(), 3U);
  EXPECT_EQ(program->subprograms()[0].name, "entry");
  EXPECT_EQ(program->subprograms()[1].name, "subprog_4");
  EXPECT_EQ(program->subprograms()[2].name, "second_in_c");
  EXPECT_EQ(program->instructions()[0].target, program->subprograms()[1].begin);
  EXPECT_EQ(program->instructions()[1].target, program->subprograms()[2].begin);
  EXPECT_EQ(program->subprogram_of(0), 0U);
  EXPECT_EQ(program->subprogram_of(4), 1U);
  EXPECT_EQ(program->subprogram_of(6), 2U);
}

TEST(Decode, LinesHoldUntilTheNextEntryAndAreNamedInErrors) {
  auto source = testing::source_of("r0 = 0\nr1 = 1\nexit");
  source.lines = {{.slot = 1, .file = "a.c", .line = 8, .text = "int y = 1;"},
                  {.slot = 0, .file = "a.c", .line = 7, .text = "int x = 0;"}};
  auto broken = source;
  broken.slots[2] = slot(0x8f, 0, 0, 0, 0);
  const auto program = Program::decode(std::move(source));
  ASSERT_TRUE(program);
  EXPECT_EQ(program->source_line(0), "a.c:7: int x = 0;");
  EXPECT_EQ(program->line_of(1)->line, 8U);
  EXPECT_EQ(program->line_of(2)->line, 8U);
  const auto refused = Program::decode(std::move(broken));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().source, "a.c:8: int y = 1;");
  EXPECT_EQ(refused.error().text(), "unknown opcode 0x8f, at instruction 2 (a.c:8: int y = 1;)");
}

TEST(Decode, WithoutLinesThereIsNoSource) {
  const auto program = decode_text("r0 = 0\nexit");
  ASSERT_TRUE(program);
  EXPECT_EQ(program->line_of(0), nullptr);
  EXPECT_EQ(program->source_line(0), "");
}

TEST(Decode, SizeLimits) {
  const auto empty = Program::decode({});
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().kind, ErrorKind::limit);
  EXPECT_EQ(empty.error().error, E2BIG);

  Source source;
  source.slots.assign(isa::kMaxInstructions, slot(0xb7, 0, 0, 0, 0));
  source.slots.back() = slot(0x95, 0, 0, 0, 0);
  EXPECT_EQ(verdict(Program::decode(source)), "accepted");
  source.slots.push_back(slot(0x95, 0, 0, 0, 0));
  const auto large = Program::decode(source);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().text(), "the program is too large; limit 1000000, asked 1000001");
}

struct BadSlot {
  const char* what;
  isa::Slot slot;
  const char* verdict;
};

class DecodeSlot : public ::testing::TestWithParam<BadSlot> {};

TEST_P(DecodeSlot, IsRefusedWithItsReason) { EXPECT_EQ(verdict(decode_slots({GetParam().slot})), GetParam().verdict); }

INSTANTIATE_TEST_SUITE_P(
    All, DecodeSlot,
    ::testing::Values(
        BadSlot{"opcode", slot(0x8f, 0, 0, 0, 0), "rejected @0: unknown opcode 0x8f"},
        BadSlot{"zero", slot(0x00, 0, 0, 0, 0), "rejected @0: unknown opcode 0x00"},
        BadSlot{"alu_offset", slot(0x37, 1, 0, 2, 1), "rejected @0: opcode 0x37 has no variant with offset 2"},
        BadSlot{"movsx_offset", slot(0xbf, 1, 2, 7, 0), "rejected @0: opcode 0xbf has no variant with offset 7"},
        BadSlot{"swap_width", slot(0xdc, 1, 0, 0, 24), "rejected @0: opcode 0xdc has no variant with imm 0x18"},
        BadSlot{"atomic", slot(0xdb, 1, 2, 0, 0x99), "rejected @0: opcode 0xdb has no variant with imm 0x99"},
        BadSlot{"call_source", slot(0x85, 0, 3, 0, 1), "rejected @0: opcode 0x85 has no variant with src 3"},
        BadSlot{"alu_src", slot(0x07, 1, 2, 0, 1), "rejected @0: add64_imm uses reserved field src: it must be zero"},
        BadSlot{"alu_imm", slot(0x0f, 1, 2, 0, 1), "rejected @0: add64_reg uses reserved field imm: it must be zero"},
        BadSlot{"ldx_imm", slot(0x61, 1, 2, 0, 1), "rejected @0: ldxw uses reserved field imm: it must be zero"},
        BadSlot{"st_src", slot(0x62, 10, 2, -4, 1), "rejected @0: stw uses reserved field src: it must be zero"},
        BadSlot{"exit_imm", slot(0x95, 0, 0, 0, 1), "rejected @0: exit uses reserved field imm: it must be zero"},
        BadSlot{"call_dst", slot(0x85, 1, 0, 0, 1),
                "rejected @0: call_helper uses reserved field dst: it must be zero"},
        BadSlot{"dst", slot(0xb7, 11, 0, 0, 1), "rejected @0: R11 is invalid"},
        BadSlot{"src", slot(0xbf, 1, 15, 0, 0), "rejected @0: R15 is invalid"},
        BadSlot{"alu_r10", slot(0x07, 10, 0, 0, 8), "rejected @0: frame pointer is read only"},
        BadSlot{"neg_r10", slot(0x87, 10, 0, 0, 0), "rejected @0: frame pointer is read only"},
        BadSlot{"load_r10", slot(0x79, 10, 1, 0, 0), "rejected @0: frame pointer is read only"},
        BadSlot{"fetch_r10", slot(0xdb, 1, 10, 0, 1), "rejected @0: frame pointer is read only"},
        BadSlot{"div_zero", slot(0x37, 1, 0, 0, 0), "rejected @0: div64_imm: div by zero"},
        BadSlot{"mod_zero", slot(0x94, 1, 0, 0, 0), "rejected @0: mod32_imm: div by zero"},
        BadSlot{"sdiv_zero", slot(0x34, 1, 0, 1, 0), "rejected @0: sdiv32_imm: div by zero"},
        BadSlot{"smod_zero", slot(0x97, 1, 0, 1, 0), "rejected @0: smod64_imm: div by zero"},
        BadSlot{"shift64", slot(0x67, 1, 0, 0, 64), "rejected @0: lsh64_imm: invalid shift 64"},
        BadSlot{"shift32", slot(0x74, 1, 0, 0, 32), "rejected @0: rsh32_imm: invalid shift 32"},
        BadSlot{"shift_negative", slot(0xc7, 1, 0, 0, -1), "rejected @0: arsh64_imm: invalid shift -1"},
        BadSlot{"callx", slot(0x8d, 1, 0, 0, 0), "rejected @0: callx: indirect calls are refused, as Linux does"},
        BadSlot{"kfunc", slot(0x85, 0, 2, 0, 77),
                "unsupported @0: call of kernel function with BTF id 77: there is no kernel here to call into"},
        BadSlot{"jump_far", slot(0x05, 0, 0, 16, 0), "rejected @0: jump out of range from insn 0 to 17"},
        BadSlot{"jump_back", slot(0x05, 0, 0, -2, 0), "rejected @0: jump out of range from insn 0 to -1"},
        BadSlot{"jump_imm", slot(0x06, 0, 0, 0, 0x7fffffff),
                "rejected @0: jump out of range from insn 0 to 2147483648"},
        BadSlot{"call_far", slot(0x85, 0, 1, 0, 9), "rejected @0: call out of range from insn 0 to 10"},
        BadSlot{"wide_second", slot(0x18, 1, 0, 0, 9),
                "rejected @0: invalid 64-bit immediate: its second slot uses reserved fields"}),
    [](const auto& test) { return std::string(test.param.what); });

TEST(Decode, FramePointerMayBeReadAndComparedAndExchanged) {
  EXPECT_EQ(verdict(decode_slots({slot(0xbf, 1, 10, 0, 0), slot(0x7b, 10, 10, -8, 0), slot(0xdb, 1, 10, 0, 0xf1)})),
            "accepted");
}

TEST(Decode, RawMemoryProgramsFollowTheRfcWhereLinuxRefusesConstants) {
  const std::vector<isa::Slot> slots = {slot(0x37, 1, 0, 0, 0), slot(0x67, 1, 0, 0, 68), slot(0xc4, 1, 0, 0, -16)};
  EXPECT_EQ(verdict(decode_slots(slots, ProgType::raw_memory)), "accepted");
  EXPECT_EQ(verdict(decode_slots(slots, ProgType::xdp)), "rejected @0: div64_imm: div by zero");
}

TEST(Decode, WideImmediates) {
  Source cut;
  cut.slots = {slot(0x18, 1, 0, 0, 9)};
  EXPECT_EQ(verdict(Program::decode(cut)),
            "rejected @0: incomplete 64-bit immediate: the program ends after its first slot");
  const auto wide = [](unsigned src, std::int32_t low, std::int32_t high) {
    return std::vector<isa::Slot>{slot(0x18, 1, src, 0, low), slot(0, 0, 0, 0, high)};
  };
  EXPECT_EQ(verdict(decode_slots(wide(0, 1, 2))), "accepted");
  EXPECT_EQ(verdict(decode_slots(wide(1, 7, 0))),
            "rejected @0: map file descriptor 7 was not resolved to a map by the loader");
  EXPECT_EQ(verdict(decode_slots(wide(1, 7, 1))), "rejected @0: lddw_map_fd uses reserved upper immediate");
  EXPECT_EQ(verdict(decode_slots(wide(3, 5, 0))),
            "unsupported @0: address of kernel variable with BTF id 5: there is no kernel here");
  EXPECT_EQ(verdict(decode_slots(wide(5, 0, 0))), "rejected @0: map index 0 is out of range: the program has 0 maps");
  EXPECT_EQ(verdict(decode_slots(wide(7, 0, 0))), "rejected @0: opcode 0x18 has no variant with src 7");
}

TEST(Decode, MapIndexAndOffset) {
  Source source;
  source.maps.resize(2);
  source.slots = {slot(0x18, 1, 6, 0, 1), slot(0, 0, 0, 0, 24), slot(0xb7, 0, 0, 0, 0), slot(0x95, 0, 0, 0, 0)};
  const auto program = Program::decode(std::move(source));
  ASSERT_TRUE(program);
  EXPECT_EQ(map_index(program->instructions()[0]), 1U);
  EXPECT_EQ(map_offset(program->instructions()[0]), 24U);
}

TEST(Decode, JumpsIntoAnImmediate) {
  EXPECT_EQ(verdict(decode_text("goto +1\nr1 = 1 ll\nr0 = 0\nexit")),
            "rejected @0: jump into the middle of a 64-bit immediate, from insn 0 to 2");
  EXPECT_EQ(verdict(decode_text("call pc+2\nexit\nr1 = 1 ll\nr0 = 0\nexit")),
            "rejected @0: call into the middle of a 64-bit immediate, from insn 0 to 3");
}

TEST(Decode, SubprogramBoundaries) {
  EXPECT_EQ(verdict(decode_text("r0 = 0")), "rejected @0: last insn is not an exit or jmp: main falls off its end");
  EXPECT_EQ(verdict(decode_text("r0 = 0\nif r0 == 0 goto -2")),
            "rejected @1: last insn is not an exit or jmp: main falls off its end");
  EXPECT_EQ(verdict(decode_text("call f\nr0 = 0\nf: r0 = 1\nexit")),
            "rejected @1: last insn is not an exit or jmp: main falls off its end");
  EXPECT_EQ(verdict(decode_text("call f\nif r0 == 0 goto inside\nexit\nf: r0 = 1\ninside: exit")),
            "rejected @1: jump out of range from insn 1 to 4: it leaves main");
  EXPECT_EQ(verdict(decode_text("top: call f\nexit\nf: r0 = 1\ngoto top")),
            "rejected @3: jump out of range from insn 3 to 0: it leaves subprog_2");
  EXPECT_EQ(verdict(decode_text("top: r0 = 0\ngoto top")), "accepted");
}

TEST(Decode, AnyBytesAreAcceptedOrRefusedWithAPlace) {
  std::uint64_t state = 88172645463325252ULL;
  const auto random = [&state] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  };
  for (int round = 0; round < 20000; ++round) {
    Source source;
    for (std::uint64_t left = random() % 6 + 1; left > 0; --left) {
      const std::uint64_t bits = random();
      const isa::Row& row = isa::rows()[bits % isa::rows().size()];
      source.slots.push_back(slot(row.opcode, (bits >> 8) % 12, row.match.src.value_or((bits >> 16) % 12),
                                  row.match.offset.value_or(static_cast<std::int16_t>((bits >> 24) % 7) - 3),
                                  row.match.imm.value_or(static_cast<std::int32_t>((bits >> 32) % 9) - 4)));
    }
    const std::size_t count = source.slots.size();
    const auto program = Program::decode(std::move(source));
    if (program) {
      EXPECT_LE(program->instructions().size(), count);
    } else {
      ASSERT_TRUE(program.error().instruction) << program.error().text();
      EXPECT_LT(*program.error().instruction, count);
    }
  }
}

}  // namespace
}  // namespace forager::program
