// SPDX-License-Identifier: Apache-2.0
//
// The semantics of every row, as C++ makes them from isa.def, against the independent model of tests/isa, at all pairs
// of boundary operands.
#include "isa/semantics.h"

#include <gtest/gtest.h>

#include "tests/isa/model.h"
#include "tests/isa/operands.h"

namespace forager::isa {
namespace {

using model::kOperands;
using Wide = std::uint64_t;
using Half = std::uint32_t;

// Calls check(dst, src) for all pairs of operands.
template <class Check>
void each_pair(Check check) {
  for (const Wide dst : kOperands) {
    for (const Wide src : kOperands) check(dst, src);
  }
}

std::string pair_text(Wide dst, Wide src) { return "dst " + std::to_string(dst) + ", src " + std::to_string(src); }

#define FORAGER_ALU(name, ...)                                                                                 \
  TEST(Semantics, name) {                                                                                      \
    each_pair([](Wide dst, Wide src) {                                                                         \
      EXPECT_EQ(semantics::row::name<Wide>(dst, src), model::alu(#name, 64, dst, src)) << pair_text(dst, src); \
      const auto half = semantics::row::name<Half>(static_cast<Half>(dst), static_cast<Half>(src));            \
      EXPECT_EQ(Wide{half}, model::alu(#name, 32, dst, src)) << "32 bit, " << pair_text(dst, src);             \
    });                                                                                                        \
  }
#define FORAGER_MOVSX(name, width, ...)                                             \
  TEST(Semantics, name) {                                                           \
    for (const Wide src : kOperands) {                                              \
      EXPECT_EQ(Wide{semantics::row::name(static_cast<std::uint##width##_t>(src))}, \
                model::move_sign_extended(#name, src))                              \
          << src;                                                                   \
    }                                                                               \
  }
#define FORAGER_UNARY(name, mnemonic, opcode, imm, width, expr)                                                       \
  TEST(Semantics, name) {                                                                                             \
    for (const Wide dst : kOperands) {                                                                                \
      EXPECT_EQ(Wide{semantics::row::name(static_cast<std::uint##width##_t>(dst))}, model::unary(#name, dst)) << dst; \
    }                                                                                                                 \
  }
#define FORAGER_JUMP(name, ...)                                                                                 \
  TEST(Semantics, name) {                                                                                       \
    each_pair([](Wide dst, Wide src) {                                                                          \
      EXPECT_EQ(semantics::row::name<Wide>(dst, src), model::jump(#name, 64, dst, src)) << pair_text(dst, src); \
      EXPECT_EQ(semantics::row::name<Half>(static_cast<Half>(dst), static_cast<Half>(src)),                     \
                model::jump(#name, 32, dst, src))                                                               \
          << "32 bit, " << pair_text(dst, src);                                                                 \
    });                                                                                                         \
  }
#define FORAGER_ATOMIC(name, ...)                                                                                    \
  TEST(Semantics, name) {                                                                                            \
    each_pair([](Wide dst, Wide src) {                                                                               \
      for (const Wide r0 : {dst, ~dst}) {                                                                            \
        EXPECT_EQ(semantics::row::name<Wide>(dst, src, r0), model::atomic(#name, 64, dst, src, r0));                 \
        EXPECT_EQ(                                                                                                   \
            Wide{semantics::row::name<Half>(static_cast<Half>(dst), static_cast<Half>(src), static_cast<Half>(r0))}, \
            model::atomic(#name, 32, dst, src, r0));                                                                 \
      }                                                                                                              \
    });                                                                                                              \
  }
#include "isa/isa.def"

// The model itself at points that RFC 9669 states, so that an error in it does not pass for one of isa.def.
TEST(Model, AgreesWithTheLetterOfTheRfc) {
  constexpr Wide kMin = Wide{1} << 63, kMinusOne = ~Wide{0};
  EXPECT_EQ(model::alu("div", 64, 5, 0), 0U);
  EXPECT_EQ(model::alu("mod", 64, 5, 0), 5U);
  EXPECT_EQ(model::alu("sdiv", 64, kMin, kMinusOne), kMin);
  EXPECT_EQ(model::alu("smod", 64, kMin, kMinusOne), 0U);
  EXPECT_EQ(model::alu("smod", 64, static_cast<Wide>(-13), 3), static_cast<Wide>(-1)) << "section 4.1's example";
  EXPECT_EQ(model::alu("mod", 32, 0x1'0000'0005, 0), 5U) << "32-bit results are zero-extended";
  EXPECT_EQ(model::alu("lsh", 64, 1, 65), 2U) << "shifts are masked";
  EXPECT_EQ(model::alu("arsh", 32, 0x80000000, 4), 0xf8000000U);
  EXPECT_EQ(model::unary("be16", 0x1122334455667788), 0x8877U);
  EXPECT_EQ(model::unary("swap64", 0x1122334455667788), 0x8877665544332211U);
  EXPECT_EQ(model::move_sign_extended("movsx8", 0x80), 0xffffffffffffff80U);
  EXPECT_EQ(model::move_sign_extended("movsx8w", 0x80), 0xffffff80U);
  EXPECT_FALSE(model::jump("jsgt", 32, 0xffffffff, 0));
  EXPECT_TRUE(model::jump("jgt", 32, 0xffffffff, 0));
  EXPECT_EQ(model::atomic("atomic_cmpxchg", 32, 7, 9, 0x1'0000'0007), 9U);
}

}  // namespace
}  // namespace forager::isa
