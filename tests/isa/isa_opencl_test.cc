// SPDX-License-Identifier: Apache-2.0
//
// The OpenCL prelude's functions, compiled as C++, against the independent model at all pairs of boundary operands.
#include <gtest/gtest.h>

#include "tests/isa/model.h"
#include "tests/isa/operands.h"

namespace forager::isa {
namespace {

// NOLINTBEGIN(readability-identifier-naming): OpenCL C's names of types
using ulong = std::uint64_t;
using uint = std::uint32_t;
// NOLINTEND(readability-identifier-naming)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"  // rows of a kind take the same arguments, used or not
#include "isa/generated/forager_isa.cl.h"
#pragma GCC diagnostic pop

using model::kOperands;

template <class Check>
void each_pair(Check check) {
  for (const ulong dst : kOperands) {
    for (const ulong src : kOperands) check(dst, src);
  }
}

uint low(ulong value) { return static_cast<uint>(value); }

#define FORAGER_ALU(name, ...)                                                                               \
  TEST(OpenClPrelude, name) {                                                                                \
    each_pair([](ulong dst, ulong src) {                                                                     \
      EXPECT_EQ(isa_##name##_64(dst, src), model::alu(#name, 64, dst, src)) << dst << ", " << src;           \
      EXPECT_EQ(isa_##name##_32(low(dst), low(src)), model::alu(#name, 32, dst, src)) << dst << ", " << src; \
    });                                                                                                      \
  }
#define FORAGER_MOVSX(name, width, ...)                                                                            \
  TEST(OpenClPrelude, name) {                                                                                      \
    for (const ulong src : kOperands) {                                                                            \
      EXPECT_EQ(isa_##name(static_cast<std::uint##width##_t>(src)), model::move_sign_extended(#name, src)) << src; \
    }                                                                                                              \
  }
#define FORAGER_UNARY(name, mnemonic, opcode, imm, width, expr)                                       \
  TEST(OpenClPrelude, name) {                                                                         \
    for (const ulong dst : kOperands) {                                                               \
      EXPECT_EQ(isa_##name(static_cast<std::uint##width##_t>(dst)), model::unary(#name, dst)) << dst; \
    }                                                                                                 \
  }
#define FORAGER_JUMP(name, ...)                                                                                    \
  TEST(OpenClPrelude, name) {                                                                                      \
    each_pair([](ulong dst, ulong src) {                                                                           \
      EXPECT_EQ(isa_##name##_64(dst, src) != 0, model::jump(#name, 64, dst, src)) << dst << ", " << src;           \
      EXPECT_EQ(isa_##name##_32(low(dst), low(src)) != 0, model::jump(#name, 32, dst, src)) << dst << ", " << src; \
    });                                                                                                            \
  }
#define FORAGER_ATOMIC(name, ...)                                                                        \
  TEST(OpenClPrelude, name) {                                                                            \
    each_pair([](ulong dst, ulong src) {                                                                 \
      for (const ulong r0 : {dst, ~dst}) {                                                               \
        EXPECT_EQ(isa_##name##_64(dst, src, r0), model::atomic(#name, 64, dst, src, r0));                \
        EXPECT_EQ(isa_##name##_32(low(dst), low(src), low(r0)), model::atomic(#name, 32, dst, src, r0)); \
      }                                                                                                  \
    });                                                                                                  \
  }
#include "isa/isa.def"

}  // namespace
}  // namespace forager::isa
