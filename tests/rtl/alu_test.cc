// SPDX-License-Identifier: Apache-2.0
//
// forager_alu and forager_compare alone: every row of isa.def that they stand for, and what the core has beyond those,
// in both widths at boundary and random operands.
#include <gtest/gtest.h>

#include <bit>

#include "Vforager_alu.h"
#include "Vforager_compare.h"
#include "tests/rtl/isa_rows.h"
#include "tests/rtl/operand_pairs.h"

namespace forager::rtl {
namespace {

using jit::rtl::CoreClass;
namespace row = isa::semantics::row;

constexpr unsigned kRandomPairs = 2000;

class RtlAlu : public ::testing::Test {
 protected:
  std::uint64_t run(CoreOp op, bool wide, std::uint64_t a, std::uint64_t b, unsigned size = 0, std::uint32_t high = 0) {
    alu_.fn_i = function_of(op);
    alu_.wide_i = wide ? 1 : 0;
    alu_.size_i = size;
    alu_.high_i = high;
    alu_.a_i = a;
    alu_.b_i = b;
    alu_.eval();
    return alu_.result_o;
  }
  Vforager_alu alu_;
};

TEST_F(RtlAlu, ComputesTheRowsOfTheTable) {
  unsigned rows = 0;
  for (const BinaryRow& row : kAluRows) {
    ASSERT_NE(row.op, kNone) << row.name;
    if (class_of(row.op) != CoreClass::Alu) continue;
    ++rows;
    for_operand_pairs(kRandomPairs, [&](std::uint64_t a, std::uint64_t b) {
      ASSERT_EQ(run(row.op, true, a, b), row.wide(a, b)) << row.name << " " << a << ", " << b;
      const auto narrow = row.narrow(static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b));
      ASSERT_EQ(run(row.op, false, a, b), narrow) << row.name << "32 " << a << ", " << b;
    });
  }
  EXPECT_EQ(rows, 9U);
}

TEST_F(RtlAlu, ExtendsAndSwapsEachSize) {
  for_operand_pairs(kRandomPairs, [&](std::uint64_t a, std::uint64_t) {
    using enum CoreOp;
    ASSERT_EQ(run(AluSext, true, a, 0, 0), row::movsx8(a)) << a;
    ASSERT_EQ(run(AluSext, true, a, 0, 1), row::movsx16(a)) << a;
    ASSERT_EQ(run(AluSext, true, a, 0, 2), row::movsx32(a)) << a;
    ASSERT_EQ(run(AluSext, false, a, 0, 0), row::movsx8w(static_cast<std::uint32_t>(a))) << a;
    ASSERT_EQ(run(AluSext, false, a, 0, 1), row::movsx16w(static_cast<std::uint32_t>(a))) << a;
    ASSERT_EQ(run(AluZext, true, a, 0, 0), a & 0xff) << a;
    ASSERT_EQ(run(AluZext, true, a, 0, 1), row::le16(a)) << a;
    ASSERT_EQ(run(AluZext, true, a, 0, 2), row::le32(a)) << a;
    ASSERT_EQ(run(AluZext, true, a, 0, 3), row::le64(a)) << a;
    ASSERT_EQ(run(AluSwap, true, a, 0, 0), a & 0xff) << a;
    ASSERT_EQ(run(AluSwap, true, a, 0, 1), row::swap16(a)) << a;
    ASSERT_EQ(run(AluSwap, true, a, 0, 2), row::swap32(a)) << a;
    ASSERT_EQ(run(AluSwap, true, a, 0, 3), row::swap64(a)) << a;
  });
}

TEST_F(RtlAlu, NegatesAndMakesWideConstants) {
  for_operand_pairs(kRandomPairs, [&](std::uint64_t a, std::uint64_t b) {
    ASSERT_EQ(run(CoreOp::AluNeg, true, a, b), row::neg64(a)) << a;
    ASSERT_EQ(run(CoreOp::AluNeg, false, a, b), row::neg32(static_cast<std::uint32_t>(a))) << a;
    const auto high = static_cast<std::uint32_t>(a);
    ASSERT_EQ(run(CoreOp::AluWide, true, 0, b, 0, high), std::uint64_t{high} << 32 | (b & 0xffffffff))
        << a << ", " << b;
  });
}

TEST_F(RtlAlu, RotatesByEveryAmount) {
  for_operand_pairs(0, [&](std::uint64_t a, std::uint64_t) {
    for (unsigned amount = 0; amount < 64; ++amount) {
      ASSERT_EQ(run(CoreOp::AluRotl, true, a, amount), std::rotl(a, static_cast<int>(amount))) << a << ", " << amount;
      const std::uint32_t narrow = std::rotl(static_cast<std::uint32_t>(a), static_cast<int>(amount % 32));
      ASSERT_EQ(run(CoreOp::AluRotl, false, a, amount), narrow) << a << ", " << amount;
    }
  });
}

class RtlCompare : public ::testing::Test {
 protected:
  bool run(CoreOp op, bool wide, std::uint64_t a, std::uint64_t b) {
    compare_.fn_i = function_of(op);
    compare_.wide_i = wide ? 1 : 0;
    compare_.a_i = a;
    compare_.b_i = b;
    compare_.eval();
    return compare_.taken_o != 0;
  }
  Vforager_compare compare_;
};

TEST_F(RtlCompare, DecidesTheRowsOfTheTable) {
  for (const JumpRow& row : kJumpRows) {
    ASSERT_NE(row.op, kNone) << row.name;
    for_operand_pairs(kRandomPairs, [&](std::uint64_t a, std::uint64_t b) {
      ASSERT_EQ(run(row.op, true, a, b), row.wide(a, b)) << row.name << " " << a << ", " << b;
      const auto a32 = static_cast<std::uint32_t>(a);
      const auto b32 = static_cast<std::uint32_t>(b);
      ASSERT_EQ(run(row.op, false, a, b), row.narrow(a32, b32)) << row.name << "32 " << a << ", " << b;
      // Upper halves that differ are nothing to 32 bits.
      ASSERT_EQ(run(row.op, false, ~a << 32 | a32, b), row.narrow(a32, b32)) << row.name << "32 " << a << ", " << b;
    });
  }
}

TEST_F(RtlCompare, HasTheInverseOfJsetAndAlways) {
  for_operand_pairs(kRandomPairs, [&](std::uint64_t a, std::uint64_t b) {
    ASSERT_EQ(run(CoreOp::BranchClear, true, a, b), (a & b) == 0) << a << ", " << b;
    ASSERT_EQ(run(CoreOp::BranchClear, false, a, b), static_cast<std::uint32_t>(a & b) == 0) << a << ", " << b;
    ASSERT_TRUE(run(CoreOp::BranchAlways, true, a, b));
    ASSERT_TRUE(run(CoreOp::BranchAlways, false, a, b));
  });
}

}  // namespace
}  // namespace forager::rtl
