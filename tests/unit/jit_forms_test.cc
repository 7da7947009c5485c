// SPDX-License-Identifier: Apache-2.0
//
// Every instruction form on the JIT of this machine, held against the interpreter: each row of isa.def with each
// register, immediates and offsets at the limits of encodings, boundary values. A program loads all registers from
// memory, does the one instruction, and stores all of them again: so a rule that damages another register is seen too.
#include <array>

#include "exec_testing.h"
#include "jit-backends/common/features.h"
#include "jit_testing.h"
#include "tests/isa/operands.h"

namespace forager::jit {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using isa::Form;
using isa::Slot;
using testing::jit_here;

constexpr std::uint8_t kLoad64 = 0x79, kStore64 = 0x7b, kMov64 = 0xbf, kMovImm = 0xb7, kExit = 0x95;
constexpr unsigned kCellAt = 10 * 8;  // memory of atomics, loads and stores, behind the registers' values
constexpr unsigned kMemory = kCellAt + 64;

// The boundary operands of all engines' tests, and what encodings of machine code end at: 8 bits with a sign, 12 bits
// and 16 of arm64's, and numbers that are no power of two.
constexpr auto& kValues = isa::model::kOperands;
std::vector<std::int32_t> immediates() {
  auto all = isa::model::immediates();
  for (const std::int32_t more : {3, 10, 100, 1000, 4095, 4096, 65536, 1000003, -2, -128, -129, -1000, -32768}) {
    all.push_back(more);
  }
  return all;
}
const std::vector<std::int32_t> kImmediates = immediates();

Slot alu(std::uint8_t opcode, unsigned dst, unsigned src, std::int16_t offset = 0, std::int32_t imm = 0) {
  return {opcode, static_cast<std::uint8_t>(dst & 15), static_cast<std::uint8_t>(src & 15), offset, imm};
}

// All registers but `base` from memory; `middle`; all of them to memory.
std::vector<Slot> around(unsigned base, const std::vector<Slot>& middle) {
  std::vector<Slot> slots;
  if (base != 1) slots.push_back(alu(kMov64, base, 1));
  for (unsigned r = 0; r < 10; ++r) {
    if (r != base) slots.push_back(alu(kLoad64, r, base, static_cast<std::int16_t>(8 * r)));
  }
  slots.insert(slots.end(), middle.begin(), middle.end());
  for (unsigned r = 0; r < 10; ++r) {
    if (r != base) slots.push_back(alu(kStore64, base, r, static_cast<std::int16_t>(8 * r)));
  }
  slots.push_back(alu(kMovImm, 0, 0));
  slots.push_back(alu(kExit, 0, 0));
  return slots;
}

std::shared_ptr<const verifier::VerifiedProgram> verified(std::vector<Slot> slots) {
  program::Source source;
  source.name = "form";
  source.type = isa::ProgType::raw_memory;
  source.slots = std::move(slots);
  auto program = program::Program::decode(std::move(source));
  if (!program) return nullptr;
  auto result = verifier::verify(std::move(*program));
  return result.value_or(nullptr);
}

std::unique_ptr<exec::Device> device_of(const exec::Backend& backend,
                                        const std::shared_ptr<const verifier::VerifiedProgram>& program,
                                        const exec::CompileOptions& options) {
  auto image = backend.compile(program, options);
  auto device = backend.open({.environment = &exec::testing::plain_environment()});
  if (!image || !device || !(*device)->load(*image)) return nullptr;
  return std::move(*device);
}

// Frames whose registers hold boundary values; each pair of values meets in the registers `a` and `b`.
std::vector<Frame> frames_for(unsigned a, unsigned b) {
  std::vector<Frame> frames;
  for (const std::uint64_t x : kValues) {
    for (const std::uint64_t y : kValues) {
      std::array<std::uint64_t, kMemory / 8> memory{};
      for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = 0x0101010101010101ULL * (i + 1);
      memory[b] = y;
      memory[a] = x;
      memory[kCellAt / 8] = y ^ 0x55;
      frames.push_back(Frame::raw(std::as_bytes(std::span(memory))));
    }
  }
  return frames;
}

struct Variant {
  const char* name;
  exec::CompileOptions options;
};
const Variant kVariants[] = {
    {"plain", {}},
    {"without passes", {.passes_off = ~0U}},
    {"without features", {.features_off = Features::kAll}},
    {"blinded", {.blind_constants = true}},
};

class JitForms : public ::testing::Test {
 protected:
  void SetUp() override {
    if (jit_here() == nullptr) GTEST_SKIP() << "no JIT of ours runs on this machine";
  }

  void compare(const std::string& what, std::vector<Slot> slots, unsigned a, unsigned b, const Variant& variant) {
    const auto program = verified(std::move(slots));
    if (program == nullptr) return;  // verify() refuses divisions by an immediate zero and the like
    auto expected = frames_for(a, b), actual = frames_for(a, b);
    const auto reference = device_of(*find_backend("interp"), program, {});
    const auto tested = device_of(*jit_here(), program, variant.options);
    ASSERT_NE(reference, nullptr) << what;
    ASSERT_NE(tested, nullptr) << what;
    ASSERT_TRUE(reference->run(expected));
    ASSERT_TRUE(tested->run(actual));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(expected[i].results().trap == nullptr, actual[i].results().trap == nullptr)
          << what << ", " << variant.name;
      ASSERT_EQ(expected[i].return_value, actual[i].return_value) << what << ", " << variant.name << ", frame " << i;
      ASSERT_TRUE(std::ranges::equal(expected[i].packet(), actual[i].packet()))
          << what << ", " << variant.name << ": " << std::hex << kValues[i / std::size(kValues)] << " and "
          << kValues[i % std::size(kValues)];
    }
    ++compared_;
  }

  unsigned compared_ = 0;
};

Slot slot_of(const isa::Row& row, unsigned dst, unsigned src, std::int16_t offset, std::int32_t imm) {
  return alu(row.opcode, dst, row.match.src.value_or(static_cast<std::uint8_t>(src)), row.match.offset.value_or(offset),
             row.match.imm.value_or(imm));
}

// The base register is one that the instruction does not name.
unsigned base_for(unsigned dst, unsigned src) {
  for (const unsigned base : {9U, 1U, 6U}) {
    if (base != dst && base != src) return base;
  }
  return 2;
}

TEST_F(JitForms, RegisterForms) {
  unsigned which = 0;
  for (const isa::Row& row : isa::rows()) {
    if (row.form != Form::alu_reg && row.form != Form::unary) continue;
    for (unsigned dst = 0; dst < 10; ++dst) {
      for (unsigned src = 0; src < (row.form == Form::unary ? 1U : 10U); ++src) {
        const unsigned base = base_for(dst, src);
        compare(std::string(row.name) + " r" + std::to_string(dst) + " r" + std::to_string(src),
                around(base, {slot_of(row, dst, src, 0, 0)}), dst, src, kVariants[which++ % std::size(kVariants)]);
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(compared_, 2000U);
}

TEST_F(JitForms, ImmediateForms) {
  unsigned which = 0;
  for (const isa::Row& row : isa::rows()) {
    if (row.form != Form::alu_imm) continue;
    for (unsigned dst = 0; dst < 10; ++dst) {
      for (const std::int32_t imm : kImmediates) {
        compare(std::string(row.name) + " r" + std::to_string(dst) + " " + std::to_string(imm),
                around(base_for(dst, dst), {slot_of(row, dst, 0, 0, imm)}), dst, (dst + 1) % 9,
                kVariants[which++ % std::size(kVariants)]);
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(compared_, 2000U);
}

// Two outcomes: the instruction after the jump is a visible one.
TEST_F(JitForms, Jumps) {
  unsigned which = 0;
  for (const isa::Row& row : isa::rows()) {
    if (row.form != Form::jump_reg && row.form != Form::jump_imm) continue;
    const bool has_src = row.form == Form::jump_reg;
    for (unsigned dst = 0; dst < 10; ++dst) {
      for (std::size_t i = 0; i < (has_src ? 10 : std::size(kImmediates)); ++i) {
        if (!has_src && (i + dst) % 3 != 0) continue;  // every immediate with every third register
        const auto src = has_src ? static_cast<unsigned>(i) : 0U;
        const std::int32_t imm = has_src ? 0 : kImmediates[i];
        const unsigned base = base_for(dst, has_src ? src : dst), seen = base == 6 ? 7 : 6;
        compare(std::string(row.name) + " r" + std::to_string(dst) + " " + std::to_string(i),
                around(base, {slot_of(row, dst, src, 1, imm), alu(kMovImm, seen, 0, 0, 77)}), dst, src,
                kVariants[which++ % std::size(kVariants)]);
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(compared_, 3000U);
}

TEST_F(JitForms, Memory) {
  unsigned which = 0;
  for (const isa::Row& row : isa::rows()) {
    const bool memory = row.form == Form::load || row.form == Form::store_imm || row.form == Form::store_reg ||
                        row.form == Form::atomic;
    if (!memory) continue;
    for (unsigned base = 0; base < 10; ++base) {
      for (unsigned other = 0; other < 10; ++other) {
        if (other == base) continue;
        const bool loads = row.form == Form::load;
        const Slot slot = slot_of(row, loads ? other : base, loads ? base : other, kCellAt, -0x12345678);
        const unsigned compared_with = other == 0 || base == 0 ? other : 0;  // r0 is what CMPXCHG compares with
        compare(std::string(row.name) + " base r" + std::to_string(base) + " r" + std::to_string(other),
                around(base, {slot}), other, compared_with, kVariants[which++ % std::size(kVariants)]);
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(compared_, 1800U);
}

// Sequences that passes make one step of.
TEST_F(JitForms, FusedSequences) {
  const auto op = [](isa::Op which, unsigned dst, unsigned src, std::int32_t imm) {
    return slot_of(isa::row(which), dst, src, 0, imm);
  };
  using isa::Op;
  const std::vector<std::vector<Slot>> sequences = {
      {op(Op::mov64_reg, 2, 1, 0), op(Op::lsh64_imm, 2, 0, 13), op(Op::rsh64_imm, 1, 0, 51),
       op(Op::bit_or64_reg, 2, 1, 0), op(Op::mov64_imm, 1, 0, 0)},
      {op(Op::mov64_reg, 2, 1, 0), op(Op::rsh64_imm, 2, 0, 51), op(Op::lsh64_imm, 1, 0, 13),
       op(Op::bit_or64_reg, 1, 2, 0), op(Op::mov64_imm, 2, 0, 0)},
      {op(Op::mov32_reg, 3, 4, 0), op(Op::lsh32_imm, 3, 0, 7), op(Op::rsh32_imm, 4, 0, 25),
       op(Op::bit_or32_reg, 4, 3, 0), op(Op::mov64_imm, 3, 0, 0)},
      {op(Op::lsh64_imm, 5, 0, 32), op(Op::rsh64_imm, 5, 0, 32)},
      {op(Op::lsh64_imm, 5, 0, 32), op(Op::arsh64_imm, 5, 0, 32)},
      {op(Op::mov64_reg, 7, 8, 0), op(Op::add64_imm, 7, 0, -14)},
      {op(Op::mov32_reg, 7, 8, 0), op(Op::add32_imm, 7, 0, 14)},
      {op(Op::mov64_reg, 7, 8, 0), op(Op::add32_imm, 7, 0, 14)},
      {op(Op::mov64_reg, 7, 8, 0), op(Op::mov64_reg, 8, 7, 0), op(Op::add64_imm, 7, 0, 14)},
  };
  for (const auto& sequence : sequences) {
    for (const Variant& variant : kVariants) {
      const unsigned a = sequence.front().src, b = sequence.front().dst;
      compare("sequence", around(9, sequence), a, b, variant);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_EQ(compared_, sequences.size() * std::size(kVariants));
}

}  // namespace
}  // namespace forager::jit
