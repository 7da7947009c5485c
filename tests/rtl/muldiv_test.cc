// SPDX-License-Identifier: Apache-2.0
//
// forager_muldiv alone: its five functions in both widths at boundary and random operands, division by zero and the
// least number by -1 among them; and a result that waits until it is taken.
#include <gtest/gtest.h>

#include "Vforager_muldiv.h"
#include "tests/rtl/clocked.h"
#include "tests/rtl/isa_rows.h"
#include "tests/rtl/operand_pairs.h"

namespace forager::rtl {
namespace {

constexpr unsigned kLongest = 68;  // cycles of a division

class RtlMuldiv : public ::testing::Test {
 protected:
  RtlMuldiv() { unit_.reset(); }

  void ask(CoreOp op, bool wide, std::uint64_t a, std::uint64_t b, unsigned thread) {
    EXPECT_EQ(unit_.ready_o, 1);
    unit_.valid_i = 1;
    unit_.fn_i = function_of(op);
    unit_.wide_i = wide ? 1 : 0;
    unit_.a_i = a;
    unit_.b_i = b;
    unit_.thread_i = thread;
    unit_.ready_i = 0;
    unit_.tick();
    // What stands at the inputs while it works is nothing to it.
    unit_.a_i = ~a;
    unit_.b_i = ~b;
    unit_.thread_i = thread ^ 7U;
    for (unsigned cycles = 0; unit_.valid_o == 0 && cycles < kLongest; ++cycles) unit_.tick();
    EXPECT_EQ(unit_.valid_o, 1);
    unit_.valid_i = 0;
  }
  std::uint64_t take(unsigned wait) {
    const std::uint64_t result = unit_.result_o;
    for (unsigned i = 0; i < wait; ++i) {
      unit_.tick();
      EXPECT_EQ(unit_.valid_o, 1);
      EXPECT_EQ(unit_.ready_o, 0);
      EXPECT_EQ(unit_.result_o, result);
    }
    unit_.ready_i = 1;
    unit_.tick();
    EXPECT_EQ(unit_.valid_o, 0);
    return result;
  }
  std::uint64_t run(CoreOp op, bool wide, std::uint64_t a, std::uint64_t b) {
    const unsigned thread = ++asked_ % 8;
    ask(op, wide, a, b, thread);
    EXPECT_EQ(unit_.thread_o, thread);
    return take(asked_ % 3);
  }

  Clocked<Vforager_muldiv> unit_;
  unsigned asked_ = 0;
};

TEST_F(RtlMuldiv, ComputesTheRowsOfTheTable) {
  unsigned rows = 0;
  for (const BinaryRow& row : kAluRows) {
    if (class_of(row.op) != jit::rtl::CoreClass::Unit) continue;
    ++rows;
    for_operand_pairs(500, [&](std::uint64_t a, std::uint64_t b) {
      ASSERT_EQ(run(row.op, true, a, b), row.wide(a, b)) << row.name << " " << a << ", " << b;
      const auto narrow = row.narrow(static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b));
      ASSERT_EQ(run(row.op, false, a, b), narrow) << row.name << "32 " << a << ", " << b;
    });
  }
  EXPECT_EQ(rows, 5U);
}

TEST_F(RtlMuldiv, ResultWaitsUntilItIsTaken) {
  ask(CoreOp::UnitMul, true, 6, 7, 3);
  EXPECT_EQ(take(100), 42U);
  ask(CoreOp::UnitDiv, true, 42, 6, 5);
  EXPECT_EQ(take(100), 7U);
}

}  // namespace
}  // namespace forager::rtl
