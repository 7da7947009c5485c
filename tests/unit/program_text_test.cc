// SPDX-License-Identifier: Apache-2.0
//
// Both text styles: the shapes that the kernel and llvm print, round trips of every row over the values of its
// fields, and what the assembler says of text that it cannot read.
#include <random>

#include "program_testing.h"

namespace forager::program {
namespace {

using isa::Form;
using isa::Slot;
using testing::slot;
using testing::slots_of;

std::string text_of(Slot first, std::int32_t upper = 0) {
  const Slot both[] = {first, slot(0, 0, 0, 0, upper)};
  return to_text(both, 0, {"flows", "stats"});
}

TEST(Disassemble, ShapesOfTheKernel) {
  EXPECT_EQ(text_of(slot(0xbf, 6, 1, 0, 0)), "r6 = r1");
  EXPECT_EQ(text_of(slot(0xb4, 0, 0, 0, -1)), "w0 = -1");
  EXPECT_EQ(text_of(slot(0xbc, 1, 2, 16, 0)), "w1 = (s16)w2");
  EXPECT_EQ(text_of(slot(0x0c, 1, 2, 0, 0)), "w1 += w2");
  EXPECT_EQ(text_of(slot(0x3f, 1, 2, 1, 0)), "r1 s/= r2");
  EXPECT_EQ(text_of(slot(0x94, 1, 0, 1, 3)), "w1 s%= 3");
  EXPECT_EQ(text_of(slot(0xc7, 1, 0, 0, 5)), "r1 s>>= 5");
  EXPECT_EQ(text_of(slot(0x87, 3, 0, 0, 0)), "r3 = -r3");
  EXPECT_EQ(text_of(slot(0x84, 3, 0, 0, 0)), "w3 = -w3");
  EXPECT_EQ(text_of(slot(0xdc, 3, 0, 0, 16)), "r3 = be16 r3");
  EXPECT_EQ(text_of(slot(0xd7, 3, 0, 0, 64)), "r3 = bswap64 r3");
  EXPECT_EQ(text_of(slot(0x2d, 1, 2, 3, 0)), "if r1 > r2 goto pc+3");
  EXPECT_EQ(text_of(slot(0x66, 1, 0, -3, -1)), "if w1 s> 0xffffffff goto pc-3");
  EXPECT_EQ(text_of(slot(0x45, 1, 0, 3, 16)), "if r1 & 0x10 goto pc+3");
  EXPECT_EQ(text_of(slot(0x05, 0, 0, 7, 0)), "goto pc+7");
  EXPECT_EQ(text_of(slot(0x06, 0, 0, 0, -7)), "gotol pc-7");
  EXPECT_EQ(text_of(slot(0x85, 0, 0, 0, 1)), "call bpf_map_lookup_elem#1");
  EXPECT_EQ(text_of(slot(0x85, 0, 0, 0, 99999)), "call unknown#99999");
  EXPECT_EQ(text_of(slot(0x85, 0, 1, 0, 12)), "call pc+12");
  EXPECT_EQ(text_of(slot(0x95, 0, 0, 0, 0)), "exit");
  EXPECT_EQ(text_of(slot(0x61, 1, 6, 4, 0)), "r1 = *(u32 *)(r6 +4)");
  EXPECT_EQ(text_of(slot(0x91, 1, 6, -4, 0)), "r1 = *(s8 *)(r6 -4)");
  EXPECT_EQ(text_of(slot(0x72, 10, 0, -1, 5)), "*(u8 *)(r10 -1) = 5");
  EXPECT_EQ(text_of(slot(0x7b, 10, 3, -8, 0)), "*(u64 *)(r10 -8) = r3");
  EXPECT_EQ(text_of(slot(0xdb, 1, 2, 0, 0)), "lock *(u64 *)(r1 +0) += r2");
  EXPECT_EQ(text_of(slot(0xdb, 1, 0, 0, 1)), "r0 = atomic64_fetch_add((u64 *)(r1 +0), r0)");
  EXPECT_EQ(text_of(slot(0xc3, 1, 2, 8, 0x51)), "r2 = atomic_fetch_and((u32 *)(r1 +8), r2)");
  EXPECT_EQ(text_of(slot(0xc3, 1, 2, 8, 0xe1)), "r2 = atomic_xchg((u32 *)(r1 +8), r2)");
  EXPECT_EQ(text_of(slot(0xdb, 1, 2, 8, 0xf1)), "r0 = atomic64_cmpxchg((u64 *)(r1 +8), r0, r2)");
  EXPECT_EQ(text_of(slot(0x28, 0, 0, 0, 12)), "r0 = *(u16 *)skb[12]");
  EXPECT_EQ(text_of(slot(0x50, 0, 7, 0, 2)), "r0 = *(u8 *)skb[r7 + 2]");
  EXPECT_EQ(text_of(slot(0x18, 1, 0, 0, 2), 1), "r1 = 0x100000002 ll");
  EXPECT_EQ(text_of(slot(0x18, 1, 5, 0, 1)), "r1 = map[stats] ll");
  EXPECT_EQ(text_of(slot(0x18, 1, 6, 0, 0), 16), "r1 = map[flows][0]+16 ll");
  EXPECT_EQ(text_of(slot(0x18, 2, 4, 0, 9)), "r2 = subprog[+9] ll");
}

TEST(Disassemble, WhatIsNoInstructionIsShownAsBytes) {
  EXPECT_EQ(text_of(slot(0x8f, 1, 2, 3, 4)), ".slot 0x000000040003218f");
}

TEST(Disassemble, MapNamesThatWouldNotBeReadBackGiveWayToNumbers) {
  const Slot load[] = {slot(0x18, 1, 5, 0, 0), slot(0, 0, 0, 0, 0)};
  EXPECT_EQ(to_text(load, 0, {"a map"}), "r1 = map[0] ll");
  EXPECT_EQ(to_text(load, 0, {"twice", "twice"}), "r1 = map[0] ll");
  EXPECT_EQ(to_text(load, 0, {""}), "r1 = map[0] ll");
  EXPECT_EQ(to_text(load, 0, {"app.rodata"}), "r1 = map[app.rodata] ll");
}

TEST(Disassemble, ProgramWithLabelsLinesAndBytes) {
  auto source = testing::source_of("r1 = 0x1122334455667788 ll\ncall f\nexit\nf: r0 = 7\nexit");
  source.name = "entry";
  source.lines = {{.slot = 0, .file = "a.c", .line = 3, .text = "long x = 1;"},
                  {.slot = 4, .file = "a.c", .line = 9, .text = "return 7;"}};
  const auto program = Program::decode(std::move(source));
  ASSERT_TRUE(program) << program.error().text();
  EXPECT_EQ(disassemble(*program),
            "entry:\n"
            "; long x = 1; @ a.c:3\n"
            "   0: (18) r1 = 0x1122334455667788 ll\n"
            "   2: (85) call pc+1\n"
            "   3: (95) exit\n"
            "subprog_4:\n"
            "; return 7; @ a.c:9\n"
            "   4: (b7) r0 = 7\n"
            "   5: (95) exit\n");
  EXPECT_EQ(to_text(*program, 3), "r0 = 7");
  const std::string with_bytes = disassemble(*program, {.lines = false, .opcodes = true});
  EXPECT_EQ(with_bytes.substr(0, with_bytes.find("   2:")),
            "entry:\n   0: (18) r1 = 0x1122334455667788 ll  # 18 01 00 00 88 77 66 55 00 00 00 00 44 33 22 11\n");
  const auto again = assemble(with_bytes);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_TRUE(std::ranges::equal(*again, program->slots()));
}

// ---- round trips ---------------------------------------------------------------------------------------------------

constexpr unsigned kRegisterValues[] = {0, 1, 5, 10};
constexpr std::int16_t kOffsets[] = {0, 1, -1, 127, -512, 32767, -32768};
constexpr std::int32_t kImmediates[] = {0, 1, -1, 0x7fffffff, static_cast<std::int32_t>(0x80000000), 64, 0x12345678};

// Every combination of the values of the fields that the row reads; callx has more fields than its text.
template <class Visit>
void for_each_encoding(const isa::Row& row, Visit visit) {
  const isa::Fields used = isa::fields_of(row.form);
  const bool indirect = row.form == Form::call_register;
  for (const unsigned dst : kRegisterValues) {
    for (const unsigned src : kRegisterValues) {
      for (const std::int16_t offset : kOffsets) {
        for (const std::int32_t imm : kImmediates) {
          const bool varied = (used.dst || dst == 0) && ((used.src && !indirect) || src == 0) &&
                              ((used.offset && !indirect) || offset == 0) && ((used.imm && !indirect) || imm == 0);
          if (!varied) continue;
          visit(slot(row.opcode, dst, row.match.src.value_or(src), row.match.offset.value_or(offset),
                     row.match.imm.value_or(imm)));
        }
      }
    }
  }
}

std::vector<Slot> with_second(const isa::Row& row, Slot first, std::int32_t upper) {
  if (row.form != Form::wide) return {first};
  return {first, slot(0, 0, 0, 0, upper)};
}

bool has_upper(const isa::Row& row) {
  using isa::Op;
  return row.op == Op::lddw || row.op == Op::lddw_map_value || row.op == Op::lddw_btf_id ||
         row.op == Op::lddw_map_idx_value;
}

class TextOfRow : public ::testing::TestWithParam<isa::Row> {};

TEST_P(TextOfRow, KernelStyleIsReadBack) {
  const isa::Row& row = GetParam();
  int encodings = 0;
  for_each_encoding(row, [&](Slot first) {
    const std::vector<std::string> names = {"flows", "stats"};
    const bool named = row.op == isa::Op::lddw_map_idx || row.op == isa::Op::lddw_map_idx_value;
    if (named && (first.imm < 0 || first.imm > 1)) return;
    const std::vector<Slot> slots = with_second(row, first, has_upper(row) ? 0x01020304 : 0);
    ASSERT_EQ(isa::find_row(first), &isa::row(row.op));
    const std::string text = to_text(slots, 0, names);
    const auto back = assemble(text, names);
    ASSERT_TRUE(back) << text << ": " << back.error().text();
    ASSERT_EQ(*back, slots) << text;
    ++encodings;
  });
  EXPECT_GT(encodings, 0);
}

// An independent writer of the mnemonic style, from the row alone.
std::string mnemonic_text(const isa::Row& row, const Slot& s) {
  std::string name(row.mnemonic);
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  const auto target = [](std::int64_t value) { return (value < 0 ? "" : "+") + std::to_string(value); };
  const auto reg = [](unsigned value) { return "%r" + std::to_string(value); };
  const auto address = [&](unsigned base) { return "[" + reg(base) + target(s.offset) + "]"; };
  switch (row.form) {
    case Form::alu_imm:
      return name + " " + reg(s.dst) + ", " + number(s.imm);
    case Form::alu_reg:
      return name + " " + reg(s.dst) + ", " + reg(s.src);
    case Form::unary:
      return name + " " + reg(s.dst);
    case Form::jump_imm:
      return name + " " + reg(s.dst) + ", " + number(s.imm) + ", " + target(s.offset);
    case Form::jump_reg:
      return name + " " + reg(s.dst) + ", " + reg(s.src) + ", " + target(s.offset);
    case Form::jump:
      return name + " " + target(s.offset);
    case Form::jump_long:
      return name + " " + target(s.imm);
    case Form::call:
      if (row.op == isa::Op::call_local) return "call local " + target(s.imm);
      return (row.op == isa::Op::call_kfunc ? "call runtime " : "call ") + number(s.imm);
    case Form::call_register:
      return "call " + reg(s.dst);
    case Form::exit:
      return name;
    case Form::wide:
      return "lddw " + reg(s.dst) + ", " + number(s.imm);
    case Form::load:
      return name + " " + reg(s.dst) + ", " + address(s.src);
    case Form::store_imm:
      return name + " " + address(s.dst) + ", " + number(s.imm);
    case Form::store_reg:
      return name + " " + address(s.dst) + ", " + reg(s.src);
    case Form::packet_abs:
      return name + " " + number(s.imm);
    case Form::packet_ind:
      return name + " " + reg(s.src) + ", " + number(s.imm);
    case Form::atomic:
      return (name.starts_with("fetch_") ? "lock fetch " + name.substr(6) : "lock " + name) + " " + address(s.dst) +
             ", " + reg(s.src);
  }
  return {};
}

TEST_P(TextOfRow, MnemonicStyleIsRead) {
  const isa::Row& row = GetParam();
  if (row.form == Form::wide && row.op != isa::Op::lddw) return;  // written as in kernel style, read by the same code
  int encodings = 0;
  for_each_encoding(row, [&](Slot first) {
    const std::string text = mnemonic_text(row, first);
    const auto back = assemble(text);
    ASSERT_TRUE(back) << text << ": " << back.error().text();
    ASSERT_EQ(*back, with_second(row, first, first.imm < 0 ? -1 : 0)) << text;
    ++encodings;
  });
  EXPECT_GT(encodings, 0);
}

INSTANTIATE_TEST_SUITE_P(Rows, TextOfRow, ::testing::ValuesIn(isa::rows().begin(), isa::rows().end()),
                         [](const auto& test) { return std::string(test.param.name); });

// ---- the assembler alone
// ---------------------------------------------------------------------------------------------

TEST(Assemble, SpellingsOfTheConformanceSuite) {
  EXPECT_EQ(slots_of("movsx832 %r1, %r2"), slots_of("w1 = (s8)w2"));
  EXPECT_EQ(slots_of("movsx1632 %r1, %r2"), slots_of("w1 = (s16)w2"));
  EXPECT_EQ(slots_of("movsx864 %r1, %r2"), slots_of("r1 = (s8)r2"));
  EXPECT_EQ(slots_of("movsx1664 %r1, %r2"), slots_of("r1 = (s16)r2"));
  EXPECT_EQ(slots_of("movsx3264 %r1, %r2"), slots_of("r1 = (s32)r2"));
  EXPECT_EQ(slots_of("swap32 %r1"), slots_of("r1 = bswap32 r1"));
  EXPECT_EQ(slots_of("lock fetch add32 [%r1+4], %r2"), slots_of("r2 = atomic_fetch_add((u32 *)(r1 + 4), r2)"));
  EXPECT_EQ(slots_of("lock cmpxchg [%r1], %r2"), slots_of("r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)"));
  EXPECT_EQ(slots_of("call helper 6"), slots_of("call bpf_trace_printk"));
  EXPECT_EQ(slots_of("call 6"), slots_of("call bpf_trace_printk#6"));
  EXPECT_EQ(slots_of("mov32 %r1, 0x87654321"), slots_of("w1 = -2023406815"));
  EXPECT_EQ(slots_of("mov %r1, 0xffffffffffffffff"), slots_of("r1 = -1"));
}

TEST(Assemble, LabelsCommentsAndTheImpliedExit) {
  const auto expected = slots_of("if r1 == 0x0 goto pc+1\ngoto pc+1\nr0 = 1\nexit\nexit");
  EXPECT_EQ(slots_of("jeq %r1, 0, yes # to yes\n"
                     "ja exit ; the first one\n"
                     "yes: mov %r0, 1 // one\n"
                     "exit\n"
                     "exit"),
            expected);
  EXPECT_EQ(slots_of("ja exit\nexit\nexit:\nexit"), slots_of("goto pc+1\nexit\nexit"));
}

TEST(Assemble, LabelsOfCallsAndLongJumps) {
  EXPECT_EQ(slots_of("call local f\nexit\nf: exit"), slots_of("call pc+1\nexit\nexit"));
  EXPECT_EQ(slots_of("call f\nexit\nf: exit"), slots_of("call pc+1\nexit\nexit"));
  EXPECT_EQ(slots_of("gotol out\nr0 = 0\nout: exit"), slots_of("gotol pc+1\nr0 = 0\nexit"));
  EXPECT_EQ(slots_of("r2 = subprog[f] ll\nexit\nf: exit"), slots_of("r2 = subprog[+2] ll\nexit\nexit"));
}

TEST(Assemble, MapsByNameAndNumber) {
  const std::vector<std::string> names = {"flows", "stats"};
  EXPECT_EQ(slots_of("lddw %r1, map[stats]", names), slots_of("r1 = map[1] ll", names));
  EXPECT_EQ(slots_of("r1 = map[stats][0]+8 ll", names)[1].imm, 8);
  EXPECT_EQ(assemble("r1 = map[other] ll", names).error().text(), "line 1: no map is called 'other'");
}

struct BadText {
  const char* text;
  const char* error;
};

class BadAssembly : public ::testing::TestWithParam<BadText> {};

TEST_P(BadAssembly, NamesTheLineAndWhatWasExpected) {
  const auto slots = assemble(GetParam().text);
  ASSERT_FALSE(slots);
  EXPECT_EQ(slots.error().kind, ErrorKind::input);
  EXPECT_EQ(slots.error().text(), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadAssembly,
    ::testing::Values(BadText{"exit\nfrobnicate %r1", "line 2: 'frobnicate' is no instruction"},
                      BadText{"mov %r11, 0", "line 1: expected a register (r0-r10), found 'r11'"},
                      BadText{"mov %r1", "line 1: expected ',', found the end of the line"},
                      BadText{"mov %r1, 0x100000000", "line 1: immediate 4294967296 does not fit 32 bits"},
                      BadText{"mov %r1, 99999999999999999999", "line 1: unexpected character or number at '9'"},
                      BadText{"mov %r1, 12ab", "line 1: unexpected character or number at '1'"},
                      BadText{"mov %r1, \x01", "line 1: unexpected character or number at byte 0x01"},
                      BadText{"ldxw %r1, [%r2+70000]", "line 1: offset 70000 does not fit 16 bits"},
                      BadText{"ldxw %r1, [%r2 4]", "line 1: expected ']', found '4'"},
                      BadText{"exit exit", "line 1: expected the end of the line, found 'exit'"},
                      BadText{"ja nowhere\nexit", "line 1: label 'nowhere' is not defined"},
                      BadText{"a: exit\na: exit", "line 2: label 'a' is defined twice"},
                      BadText{"r1 += w2", "line 1: both registers must be r or both w"},
                      BadText{"r1 = *(u24 *)(r2 +0)", "line 1: 'u24' is no type: u8, u16, u32, u64, s8, s16, s32 are"},
                      BadText{"*(s32 *)(r2 +0) = r1", "line 1: no instruction accesses memory of this type so"},
                      BadText{"r1 = -r2", "line 1: this operation has one register, on both sides"},
                      BadText{"r1 = (u8)r2", "line 1: no move extends so"},
                      BadText{"if r1 += r2 goto +1", "line 1: '+=' is no comparison"},
                      BadText{"r1 == r2", "line 1: '==' is no arithmetic operator"},
                      BadText{"w1 = 5 ll", "line 1: a 64-bit immediate needs a 64-bit register"},
                      BadText{"lock *(u8 *)(r1 +0) += r2", "line 1: no such atomic operation"},
                      BadText{"lock nand [%r1], %r2", "line 1: 'nand' is no atomic operation"},
                      BadText{"r1 = atomic_fetch_add((u32 *)(r1 +0), r2)",
                              "line 1: the old value goes to the register that held the operand"},
                      BadText{"call bpf_redirect#1", "line 1: helper bpf_redirect has number 23, not 1"},
                      BadText{"r1 = ",
                              "line 1: expected a 64-bit number, map[...], map_fd[...], btf_id[...] or subprog[...], "
                              "found the end of the line"}));

TEST(Assemble, DistancesThatDoNotFit) {
  std::string text = "ja end\n";
  for (int i = 0; i < 32768; ++i) text += "mov %r0, 0\n";
  EXPECT_EQ(assemble(text + "end: exit").error().text(), "line 1: label 'end' is too far away: 32768 slots");
  EXPECT_EQ(slots_of("ja32 end\n" + text.substr(text.find('\n') + 1) + "end: exit")[0].imm, 32768);
}

TEST(Assemble, AnyTextGivesSlotsOrALine) {
  constexpr std::string_view kPieces[] = {"r1",   "%r2", "w3",   " ",        ",",       "[",    "]", "(",   ")",
                                          "*",    "u32", "lock", "if",       "goto",    "call", "+", "-",   "0x7",
                                          "99",   "= ",  "+=",   "s>",       ":",       "\n",   "#", "mov", "lddw",
                                          "exit", "map", "ll",   "atomic_x", "atomic_", "skb"};
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (int i = 0; i < 12; ++i) text += std::string(kPieces[random() % std::size(kPieces)]) + " ";
    const auto slots = assemble(text);
    if (!slots) {
      ASSERT_TRUE(slots.error().message.starts_with("line ")) << text;
    }
  }
}

}  // namespace
}  // namespace forager::program
