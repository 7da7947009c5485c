// SPDX-License-Identifier: Apache-2.0
//
// Facts about operands' values, everything at once: random programs on random graphs, with loops of every shape, are
// run step by step, and each operand lies within its fact. The programs need not end or make sense, so the pass is
// given them by itself; the soak (tests/fuzz) has those that the whole verifier accepts.
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <random>

#include "isa/semantics.h"
#include "program_testing.h"
#include "verifier/values.h"

namespace forager::verifier {
namespace {

using isa::Op;
using program::Instruction;
using program::Program;

constexpr ValueFact kNothing;

// Random code of the kind that moves numbers: arithmetic, jumps anywhere, spills.
class Generator {
 public:
  explicit Generator(u64 seed) : engine_(seed) {}

  std::string program(unsigned size) {
    std::string out;
    for (unsigned i = 0; i < size; ++i) out += fmt::format("L{}: {}\n", i, line(size));
    return out + fmt::format("L{}: r0 = 0\nexit", size);
  }

  u64 number() {
    constexpr u64 kEnds[] = {0, 1, 2, 7, 16, 255, 0x7fff'ffff, 0x8000'0000, 0xffff'ffff, ~u64{0} >> 1, ~u64{0}};
    return below(3) == 0 ? engine_() >> below(64) : kEnds[below(std::size(kEnds))] + below(3) - 1;
  }

 private:
  u64 below(u64 limit) { return engine_() % limit; }
  std::string reg(const char* prefix) { return prefix + std::to_string(below(5)); }
  std::string immediate() { return std::to_string(static_cast<s32>(number())); }

  std::string line(unsigned size) {
    constexpr const char* kOperators[] = {"+=", "-=", "*=", "&=", "|=", "^=", "="};
    constexpr const char* kDivisions[] = {"/=", "%=", "s/=", "s%="};
    constexpr const char* kShifts[] = {"<<=", ">>=", "s>>="};
    constexpr const char* kTests[] = {"==", "!=", "<", ">", "<=", ">=", "s<", "s>", "s<=", "s>=", "&"};
    constexpr const char* kUnary[] = {" = be16 ", " = be32 ", " = be64 ", " = le16 ", " = -"};
    constexpr const char* kExtends[] = {" = (s8)", " = (s16)", " = (s32)"};
    const char* prefix = below(2) == 0 ? "r" : "w";
    const std::string dst = reg(prefix), slot = "(r10 " + std::to_string(-4 * s64(1 + below(4))) + ")";
    const std::string src = below(2) == 0 ? immediate() : reg(prefix);
    switch (below(9)) {
      case 0: {
        const std::string r = reg("r");
        return r + kUnary[below(std::size(kUnary))] + r;
      }
      case 1:
        return reg("r") + kExtends[below(std::size(kExtends))] + reg("r");
      case 2:
        return "*(u32 *)" + slot + " = " + reg("r");
      case 3:
        return reg("r") + " = *(u32 *)" + slot;
      case 4:
        return dst + " " + kShifts[below(3)] + " " + (below(2) == 0 ? std::to_string(below(32)) : reg(prefix));
      case 5:
        return dst + " " + kDivisions[below(4)] + " " + (below(2) == 0 ? std::to_string(1 + below(300)) : reg(prefix));
      case 6:
        return dst + " " + kOperators[below(std::size(kOperators))] + " " + src;
      default:
        return "if " + dst + " " + kTests[below(std::size(kTests))] + " " + src + " goto L" +
               std::to_string(below(size + 1));
    }
  }

  std::mt19937_64 engine_;
};

// What the path exploration would say: all of it is reachable, and the stack is where it is.
std::vector<Facts> given(const Program& program) {
  std::vector<Facts> out(program.instructions().size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Instruction& insn = program.instructions()[i];
    if (isa::row(insn.op).form != isa::Form::load && isa::row(insn.op).form != isa::Form::store_reg) continue;
    const s64 offset = isa::kStackBytes + insn.offset;
    out[i].access = {.region = Region::stack, .offset_min = offset, .offset_max = offset};
  }
  return out;
}

// Numbers in registers and 16 bytes of stack, and what instructions do to them.
class Machine {
 public:
  std::array<u64, isa::kRegisters> registers{};
  std::array<std::byte, isa::kStackBytes> stack{};

  // The next instruction.
  u32 step(const Program& program, u32 at) {
    const Instruction& insn = program.instructions()[at];
    const isa::Row& row = isa::row(insn.op);
    const bool by_register = row.form == isa::Form::alu_reg || row.form == isa::Form::jump_reg;
    const u64 src = by_register ? registers[insn.src] : insn.imm;
    u64& dst = registers[insn.dst];
    std::byte* memory = stack.data() + isa::kStackBytes + insn.offset;
    switch (row.form) {
      case isa::Form::load:
        dst = 0;
        std::memcpy(&dst, memory, row.width / 8U);
        break;
      case isa::Form::store_reg:
        std::memcpy(memory, &registers[insn.src], row.width / 8U);
        break;
      case isa::Form::jump_imm:
      case isa::Form::jump_reg:
        return jumps(insn.op, dst, src) ? insn.target : at + 1;
      default:
        dst = computed(insn.op, dst, src);
    }
    return at + 1;
  }

 private:
  static u64 computed(Op op, u64 dst64, u64 src64) {
    namespace row = isa::semantics::row;
    const auto dst32 = static_cast<u32>(dst64), src32 = static_cast<u32>(src64);
    switch (op) {
#define FORAGER_ALU(name, ...)      \
  case Op::name##64_imm:            \
  case Op::name##64_reg:            \
    return row::name(dst64, src64); \
  case Op::name##32_imm:            \
  case Op::name##32_reg:            \
    return row::name(dst32, src32);
#define FORAGER_MOVSX(name, width, ...) \
  case Op::name:                        \
    return row::name(src##width);
#define FORAGER_UNARY(name, mnemonic, opcode, imm, width, ...) \
  case Op::name:                                               \
    return row::name(dst##width);
#include "isa/isa.def"
      default:
        return 0;
    }
  }

  static bool jumps(Op op, u64 dst, u64 src) {
    namespace row = isa::semantics::row;
    switch (op) {
#define FORAGER_JUMP(name, ...) \
  case Op::name##64_imm:        \
  case Op::name##64_reg:        \
    return row::name(dst, src); \
  case Op::name##32_imm:        \
  case Op::name##32_reg:        \
    return row::name(static_cast<u32>(dst), static_cast<u32>(src));
#include "isa/isa.def"
      default:
        return false;
    }
  }
};

TEST(ValuesRandom, HoldAtEveryStepOfRandomPrograms) {
  std::size_t known = 0, steps = 0;
  for (u64 seed = 0; seed < 1500; ++seed) {
    Generator generator(seed);
    const std::string text = generator.program(8 + seed % 40);
    const auto program = program::testing::decode_text(text);
    ASSERT_TRUE(program) << program.error().text() << "\n" << text;
    std::vector<Facts> facts = given(*program);
    add_value_facts(*program, facts, {});
    for (int run = 0; run < 8; ++run) {
      Machine machine;
      for (u64& value : machine.registers) value = generator.number();
      u32 at = 0;
      for (int fuel = 0; fuel < 300; ++fuel) {
        const Instruction& insn = program->instructions()[at];
        if (insn.op == Op::exit) break;
        ASSERT_TRUE(facts[at].dst.allows(machine.registers[insn.dst]))
            << text << "\nat " << at << ": r" << int{insn.dst} << " is " << machine.registers[insn.dst];
        const bool reads_src = isa::fields_of(isa::row(insn.op).form).src && insn.src != isa::kFramePointer;
        ASSERT_TRUE(!reads_src || facts[at].src.allows(machine.registers[insn.src]))
            << text << "\nat " << at << ": r" << int{insn.src} << " is " << machine.registers[insn.src];
        known += (facts[at].dst != kNothing ? 1 : 0) + (facts[at].src != kNothing ? 1 : 0);
        ++steps;
        at = machine.step(*program, at);
      }
    }
  }
  EXPECT_GT(known, steps / 10);  // it does say something
}

// Shapes whose cost could get out of hand: it must come to an end, and does.
TEST(ValuesRandom, LargeGraphsAreDone) {
  std::string nested, ladder;
  for (int i = 0; i < 3000; ++i) nested += fmt::format("L{}: r1 += 1\n", i);
  for (int i = 3000; i-- > 0;) nested += fmt::format("r2 += r1\nif r2 != {} goto L{}\n", i, i);
  for (int i = 0; i < 20000; ++i) ladder += "r1 += 1\nif r1 > " + std::to_string(i) + " goto +1\nr2 ^= r1\n";
  for (const std::string& body : {nested, ladder}) {
    const auto program = program::testing::decode_text("r1 = 0\nr2 = 0\n" + body + "r0 = r1\nexit");
    ASSERT_TRUE(program) << program.error().text();
    std::vector<Facts> facts = given(*program);
    add_value_facts(*program, facts, {});
    EXPECT_EQ(facts[2].dst.min, 0U);
  }
}

}  // namespace
}  // namespace forager::verifier
