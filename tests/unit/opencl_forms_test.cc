// SPDX-License-Identifier: Apache-2.0
//
// Every row of isa.def on the OpenCL device, held against the interpreter. Drivers take long to compile, so that a
// program has all rows of a form one behind the other, and runs on a frame for each pair of operands.
#include <gtest/gtest.h>

#include "exec_testing.h"
#include "opencl_testing.h"
#include "tests/isa/operands.h"

namespace forager::jit::opencl {
namespace {

using exec::Frame;
using isa::Form;
using isa::Slot;

constexpr std::uint8_t kLoad64 = 0x79, kStore64 = 0x7b, kStoreImm64 = 0x7a, kMov64 = 0xbf, kMovImm = 0xb7, kExit = 0x95;
constexpr std::int32_t kImmediates[] = {1, 7, -1, -128, 0x7fffffff, 31};
constexpr unsigned kFirstResult = 16;

Slot slot(std::uint8_t opcode, unsigned dst, unsigned src, unsigned offset = 0, std::int32_t imm = 0) {
  return {opcode, static_cast<std::uint8_t>(dst & 15), static_cast<std::uint8_t>(src & 15),
          static_cast<std::int16_t>(offset), imm};
}

Slot slot_of(const isa::Row& row, unsigned dst, unsigned src, unsigned offset, std::int32_t imm) {
  return slot(row.opcode, dst, row.match.src.value_or(static_cast<std::uint8_t>(src)),
              static_cast<unsigned>(row.match.offset.value_or(static_cast<std::int16_t>(offset))),
              row.match.imm.value_or(imm));
}

// r6 is the memory; operands stand in r7 and r8, and results behind one another in memory.
class Forms {
 public:
  Forms() { slots_ = {slot(kMov64, 6, 1), slot(kLoad64, 7, 6, 0), slot(kLoad64, 8, 6, 8), slot(kMovImm, 0, 0)}; }
  void alu(const isa::Row& row, std::int32_t imm) {
    slots_.push_back(slot(kMov64, 1, 7));
    slots_.push_back(slot_of(row, 1, row.form == Form::alu_reg ? 8 : 0, 0, imm));
    keep(1);
  }
  // Operands are loaded anew, so that the verifier forgets which way earlier jumps went.
  void jump(const isa::Row& row, std::int32_t imm) {
    slots_.push_back(slot(kLoad64, 7, 6, 0));
    slots_.push_back(slot(kLoad64, 8, 6, 8));
    slots_.push_back(slot(kStoreImm64, 6, 0, next_, 1));
    slots_.push_back(slot_of(row, 7, row.form == Form::jump_reg ? 8 : 0, 1, imm));
    slots_.push_back(slot(kStoreImm64, 6, 0, next_, 2));
    next_ += 8;
  }
  // Of the cell where its result goes, which begins as one of the operands; what it gives back goes behind it.
  void atomic(const isa::Row& row) {
    const unsigned cell = next_;
    keep(7);
    slots_.push_back(slot(kMov64, 0, 7));
    slots_.push_back(slot(kMov64, 1, 8));
    slots_.push_back(slot_of(row, 6, 1, cell, 0));
    keep(0);
    keep(1);
  }
  void load(const isa::Row& row) {
    slots_.push_back(slot_of(row, 1, 6, 3, 0));
    keep(1);
  }
  void store(const isa::Row& row) {
    const unsigned cell = next_;
    keep(7);
    const bool has_imm = row.form == Form::store_imm;
    slots_.push_back(slot_of(row, 6, has_imm ? 0 : 8, cell, has_imm ? -2 : 0));
  }

  void compare() {
    slots_.push_back(slot(kExit, 0, 0));
    program::Source source{.name = "forms", .type = isa::ProgType::raw_memory, .slots = slots_};
    auto program = program::Program::decode(std::move(source));
    ASSERT_TRUE(program) << program.error().text();
    const auto verified = verifier::verify(std::move(*program));
    ASSERT_TRUE(verified) << verified.error().text();
    std::vector<Frame> expected = frames(), actual = frames();
    run(interp::backend(), *verified, expected);
    run(*testing::opencl_here(), *verified, actual);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(testing::difference(expected[i], actual[i]), "") << "frame " << i;
    }
  }
  [[nodiscard]] unsigned results() const { return (next_ - kFirstResult) / 8; }

 private:
  void keep(unsigned reg) {
    slots_.push_back(slot(kStore64, 6, reg, next_));
    next_ += 8;
  }
  [[nodiscard]] std::vector<Frame> frames() const {
    std::vector<Frame> all;
    for (const std::uint64_t x : isa::model::kOperands) {
      for (const std::uint64_t y : isa::model::kOperands) {
        std::vector<std::uint64_t> memory(next_ / 8, 0);
        memory[0] = x;
        memory[1] = y;
        all.push_back(Frame::raw(std::as_bytes(std::span(memory))));
      }
    }
    return all;
  }
  static void run(const exec::Backend& backend, const std::shared_ptr<const verifier::VerifiedProgram>& program,
                  std::vector<Frame>& frames) {
    auto image = backend.compile(program, {});
    ASSERT_TRUE(image) << image.error().text();
    auto device = backend.open({.environment = &exec::testing::plain_environment()});
    ASSERT_TRUE(device) << device.error().text();
    const auto loaded = (*device)->load(*image);
    ASSERT_TRUE(loaded) << loaded.error().text();
    const auto report = (*device)->run(frames);
    ASSERT_TRUE(report) << report.error().text();
  }

  std::vector<Slot> slots_;
  unsigned next_ = kFirstResult;
};

class OpenclForms : public testing::WithDevice {};

TEST_F(OpenclForms, Arithmetic) {
  Forms forms;
  for (const isa::Row& row : isa::rows()) {
    if (row.form == Form::alu_reg || row.form == Form::unary) forms.alu(row, 0);
    if (row.form != Form::alu_imm) continue;
    const bool shifts = row.name.find("sh") != std::string_view::npos;
    for (const std::int32_t imm : kImmediates) {
      if (!shifts || (imm >= 0 && imm < 32)) forms.alu(row, imm);
    }
  }
  EXPECT_GT(forms.results(), 150U);
  forms.compare();
}

TEST_F(OpenclForms, Jumps) {
  Forms forms;
  for (const isa::Row& row : isa::rows()) {
    if (row.form == Form::jump_reg) forms.jump(row, 0);
    if (row.form != Form::jump_imm) continue;
    for (const std::int32_t imm : kImmediates) forms.jump(row, imm);
  }
  EXPECT_GT(forms.results(), 100U);
  forms.compare();
}

TEST_F(OpenclForms, Memory) {
  Forms forms;
  for (const isa::Row& row : isa::rows()) {
    if (row.form == Form::atomic) forms.atomic(row);
    if (row.form == Form::load) forms.load(row);
    if (row.form == Form::store_reg || row.form == Form::store_imm) forms.store(row);
  }
  EXPECT_GT(forms.results(), 60U);
  forms.compare();
}

}  // namespace
}  // namespace forager::jit::opencl
