// SPDX-License-Identifier: Apache-2.0
//
// The generated SystemVerilog, run by Verilator: each function against the independent model at all pairs of boundary
// operands, and the decoder against find_row over every opcode and selecting field.
#include <gtest/gtest.h>

#include "Visa_probe.h"
#include "isa/isa.h"
#include "tests/isa/model.h"
#include "tests/isa/operands.h"

namespace forager::isa {
namespace {

using model::kOperands;

class SystemVerilog : public ::testing::Test {
 protected:
  std::uint64_t run(const Row& row, std::uint64_t dst, std::uint64_t src, std::uint64_t r0) {
    probe_.row_i = static_cast<std::uint8_t>(row.op);
    probe_.dst_i = dst;
    probe_.src_i = src;
    probe_.r0_i = r0;
    probe_.eval();
    return probe_.result_o;
  }
  unsigned decode(const Slot& slot) {
    probe_.opcode_i = slot.opcode;
    probe_.source_i = slot.src;
    probe_.offset_i = static_cast<std::uint16_t>(slot.offset);
    probe_.imm_i = static_cast<std::uint32_t>(slot.imm);
    probe_.eval();
    return probe_.decoded_o;
  }
  Visa_probe probe_;
};

// "sdiv32_reg" -> "sdiv", "atomic_or64" -> "atomic_or".
std::string_view base_name(const Row& row) {
  std::string_view name = row.name;
  if (name.ends_with("_reg")) name.remove_suffix(4);
  name.remove_suffix(2);
  return name;
}

std::uint64_t expected(const Row& row, std::uint64_t dst, std::uint64_t src, std::uint64_t r0) {
  if (row.form == Form::unary) return model::unary(row.name, dst);
  if (row.name.starts_with("movsx")) return model::move_sign_extended(row.name, src);
  if (row.form == Form::jump_reg) return model::jump(base_name(row), row.width, dst, src) ? 1 : 0;
  if (row.form == Form::atomic) return model::atomic(base_name(row), row.width, dst, src, r0);
  return model::alu(base_name(row), row.width, dst, src);
}

bool computes(const Row& row) {
  return row.form == Form::alu_reg || row.form == Form::unary || row.form == Form::jump_reg || row.form == Form::atomic;
}

TEST_F(SystemVerilog, ComputesWhatTheModelDoes) {
  unsigned compared = 0;
  for (const Row& row : rows()) {
    if (!computes(row)) continue;
    for (const std::uint64_t dst : kOperands) {
      for (const std::uint64_t src : kOperands) {
        for (const std::uint64_t r0 : {dst, ~dst}) {
          ASSERT_EQ(run(row, dst, src, r0), expected(row, dst, src, r0)) << row.name << " " << dst << ", " << src;
          ++compared;
        }
      }
    }
  }
  EXPECT_GT(compared, 80U * 26 * 26);
}

TEST_F(SystemVerilog, DecodesAsTheTableDoes) {
  constexpr std::int16_t kOffsets[] = {0, 1, 2, 8, 16, 32, -1};
  constexpr std::int32_t kImmediates[] = {0, 0x01, 0x10, 0x20, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1, 0xf1, 24, -1};
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    for (std::uint8_t src = 0; src < 11; ++src) {
      for (const std::int16_t offset : kOffsets) {
        for (const std::int32_t imm : kImmediates) {
          const Slot slot{.opcode = static_cast<std::uint8_t>(opcode),
                          .src = static_cast<std::uint8_t>(src & 0xf),
                          .offset = offset,
                          .imm = imm};
          const Row* row = find_row(slot);
          const unsigned none = 0xff;
          ASSERT_EQ(decode(slot), row == nullptr ? none : static_cast<unsigned>(row->op))
              << "opcode " << opcode << " src " << unsigned{src} << " offset " << offset << " imm " << imm;
        }
      }
    }
  }
}

}  // namespace
}  // namespace forager::isa
