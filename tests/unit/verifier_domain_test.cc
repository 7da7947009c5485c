// SPDX-License-Identifier: Apache-2.0
//
// The abstract domain: what scalars say of a result is true of what the machine computes. Tried at random, with values
// near the ends of words, where overflows and signs change. Tnums have a test of their own.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <random>
#include <vector>

#include "isa/semantics.h"
#include "verifier/scalar.h"

namespace forager::verifier {

static std::ostream& operator<<(std::ostream& out, const Tnum& t) {
  return out << std::hex << "(" << t.value << "; " << t.mask << ")" << std::dec;
}
static std::ostream& operator<<(std::ostream& out, const Scalar& s) {
  return out << s.bits << std::hex << " u " << s.u.min << ".." << s.u.max << std::dec << " s " << s.s.min << ".."
             << s.s.max << " u32 " << s.u32r.min << ".." << s.u32r.max << " s32 " << s.s32r.min << ".." << s.s32r.max;
}

namespace {
bool holds(const Tnum& t, u64 value) { return (value & ~t.mask) == t.value; }

constexpr int kRounds = 60'000;

bool holds(const Scalar& s, u64 value) {
  const auto low = static_cast<u32>(value);
  const auto in = [](const auto& range, auto v) { return range.min <= v && v <= range.max; };
  return holds(s.bits, value) && in(s.u, value) && in(s.s, static_cast<s64>(value)) && in(s.u32r, low) &&
         in(s.s32r, static_cast<s32>(low));
}

class Random {
 public:
  explicit Random(u64 seed) : engine_(seed) {}

  u64 below(u64 limit) { return engine_() % limit; }

  // A number, more often than not near an end of some word.
  u64 number() {
    constexpr std::array<u64, 21> kEnds = {0,
                                           1,
                                           2,
                                           7,
                                           0x7f,
                                           0x80,
                                           0xff,
                                           0x7fff,
                                           0x8000,
                                           0xffff,
                                           0x7fff'ffff,
                                           0x8000'0000,
                                           0xffff'ffff,
                                           0x1'0000'0000,
                                           ~u64{0},
                                           ~u64{0} - 1,
                                           ~u64{0} / 2,
                                           u64{1} << 63,
                                           ~u64{0} << 31,
                                           ~u64{0} << 32,
                                           ~u64{0xf}};
    switch (below(4)) {
      case 0:
        return engine_();
      case 1:
        return engine_() >> below(64);
      case 2:
        return kEnds[below(kEnds.size())] + below(5) - 2;
      default:
        return kEnds[below(kEnds.size())];
    }
  }

  // What may be known of a number.
  Scalar around(u64 value) {
    if (below(6) == 0) return Scalar::constant(value);
    Scalar out;
    for (u64 facts = below(5); facts > 0; --facts) {
      learn(out, value, number());
      if (below(2) == 0) out.sync();
    }
    out.sync();
    return out;
  }

 private:
  void learn(Scalar& s, u64 value, u64 other) {
    const auto cut = [](auto& range, auto a, auto b) { range.cut(std::min(a, b), std::max(a, b)); };
    switch (below(5)) {
      case 0:
        return cut(s.u, value, other);
      case 1:
        return cut(s.s, static_cast<s64>(value), static_cast<s64>(other));
      case 2:
        return cut(s.u32r, static_cast<u32>(value), static_cast<u32>(other));
      case 3:
        return cut(s.s32r, static_cast<s32>(value), static_cast<s32>(other));
      default:
        s.bits = intersect(s.bits, Tnum{value & ~other, other});
    }
  }

  std::mt19937_64 engine_;
};

u64 extend(u64 value, unsigned bytes) {
  const unsigned unused = 64 - bytes * 8;
  return static_cast<u64>(static_cast<s64>(value << unused) >> unused);
}
u64 cut_off(u64 value, unsigned bytes) { return value << (64 - bytes * 8) >> (64 - bytes * 8); }

template <class T>
u64 compute(Alu op, u64 dst, u64 src) {
  switch (op) {
#define FORAGER_ALU(name, ...) \
  case Alu::name:              \
    return isa::semantics::row::name<T>(static_cast<T>(dst), static_cast<T>(src));
#include "isa/isa.def"
  }
  return 0;
}
u64 compute(Alu op, unsigned width, u64 dst, u64 src) {
  return width == 64 ? compute<u64>(op, dst, src) : compute<u32>(op, dst, src);
}

template <class T>
bool is_true(Condition condition, u64 left, u64 right) {
  const T a = static_cast<T>(left), b = static_cast<T>(right);
  const auto x = static_cast<std::make_signed_t<T>>(a), y = static_cast<std::make_signed_t<T>>(b);
  switch (condition) {
    case Condition::eq:
      return a == b;
    case Condition::ne:
      return a != b;
    case Condition::gt:
      return a > b;
    case Condition::ge:
      return a >= b;
    case Condition::lt:
      return a < b;
    case Condition::le:
      return a <= b;
    case Condition::sgt:
      return x > y;
    case Condition::sge:
      return x >= y;
    case Condition::slt:
      return x < y;
    case Condition::sle:
      return x <= y;
    case Condition::set:
      return (a & b) != 0;
    case Condition::not_set:
      return (a & b) == 0;
  }
  return false;
}
bool is_true(Condition condition, unsigned width, u64 a, u64 b) {
  return width == 64 ? is_true<u64>(condition, a, b) : is_true<u32>(condition, a, b);
}

constexpr Alu kOperations[] = {Alu::add, Alu::sub, Alu::mul, Alu::div,  Alu::sdiv,    Alu::bit_or, Alu::bit_and,
                               Alu::lsh, Alu::rsh, Alu::mod, Alu::smod, Alu::bit_xor, Alu::arsh};
constexpr Condition kConditions[] = {Condition::eq,  Condition::ne,  Condition::gt,  Condition::ge,
                                     Condition::lt,  Condition::le,  Condition::sgt, Condition::sge,
                                     Condition::slt, Condition::sle, Condition::set, Condition::not_set};

TEST(Scalar, ArithmeticHolds) {
  Random random(1);
  for (const Alu op : kOperations) {
    const bool shifts = op == Alu::lsh || op == Alu::rsh || op == Alu::arsh;
    for (const unsigned width : {64U, 32U}) {
      for (int i = 0; i < kRounds / 4; ++i) {
        const u64 a = random.number();
        u64 b = random.number();
        const Scalar x = random.around(a);
        Scalar y = random.around(b);
        if (shifts && random.below(4) != 0) y = Scalar::constant(b %= width);
        const Scalar result = alu(op, width, x, y);
        const u64 value = compute(op, width, a, b);
        ASSERT_TRUE(holds(result, value)) << static_cast<int>(op) << " of " << width << " bits\n"
                                          << x << "\n"
                                          << y << "\n"
                                          << result << "\nlacks " << std::hex << value;
      }
    }
  }
}

TEST(Scalar, WidthChangesHold) {
  Random random(2);
  for (int i = 0; i < kRounds; ++i) {
    const unsigned bytes = 1U << random.below(4);
    const u64 value = random.number();
    const Scalar known = random.around(value);
    Scalar narrow = known, extended = known;
    narrow.truncate(bytes);
    extended.sign_extend(bytes);
    const Scalar swapped = swap_bytes(known, bytes, true);
    ASSERT_TRUE(holds(narrow, cut_off(value, bytes))) << bytes << " bytes of " << known;
    ASSERT_TRUE(holds(extended, extend(value, bytes))) << bytes << " bytes of " << known;
    ASSERT_TRUE(holds(swapped, __builtin_bswap64(value) >> (64 - bytes * 8))) << bytes << " bytes of " << known;
    ASSERT_EQ(swap_bytes(known, bytes, false), narrow);
    ASSERT_TRUE(holds(Scalar::loaded(bytes, false), cut_off(value, bytes)));
    ASSERT_TRUE(holds(Scalar::loaded(bytes, true), extend(value, bytes)));
  }
}

TEST(Scalar, DecisionsAreRight) {
  Random random(3);
  for (int i = 0; i < 4 * kRounds; ++i) {
    const Condition condition = kConditions[random.below(std::size(kConditions))];
    const unsigned width = random.below(2) == 0 ? 64 : 32;
    const u64 a = random.number(), b = random.number();
    const Scalar x = random.around(a), y = random.around(b);
    const Outcome outcome = decide(condition, width, x, y);
    if (outcome == Outcome::unknown) continue;
    ASSERT_EQ(outcome == Outcome::always, is_true(condition, width, a, b))
        << static_cast<int>(condition) << " of " << width << " bits\n"
        << x << "\n"
        << y;
  }
}

TEST(Scalar, WhatAConditionTeachesHolds) {
  Random random(4);
  for (int i = 0; i < 4 * kRounds; ++i) {
    Condition condition = kConditions[random.below(std::size(kConditions))];
    const unsigned width = random.below(2) == 0 ? 64 : 32;
    const u64 a = random.number(), b = random.number();
    if (!is_true(condition, width, a, b)) condition = opposite(condition);
    const Scalar x = random.around(a), y = random.around(b);
    Scalar left = x, right = y;
    ASSERT_TRUE(refine(condition, width, left, right)) << static_cast<int>(condition) << "\n" << x << "\n" << y;
    ASSERT_TRUE(holds(left, a) && holds(right, b)) << static_cast<int>(condition) << " of " << width << " bits\n"
                                                   << x << "\n"
                                                   << y << "\nbecame\n"
                                                   << left << "\n"
                                                   << right;
  }
}

TEST(Scalar, OppositeAndMirroredConditions) {
  Random random(5);
  for (int i = 0; i < kRounds; ++i) {
    const u64 a = random.number(), b = random.below(2) == 0 ? a : random.number();
    for (const Condition condition : kConditions) {
      for (const unsigned width : {64U, 32U}) {
        ASSERT_NE(is_true(condition, width, a, b), is_true(opposite(condition), width, a, b));
        ASSERT_EQ(is_true(condition, width, a, b), is_true(mirrored(condition), width, b, a));
      }
    }
  }
}

TEST(Scalar, SyncOnlyLearnsWhatIsTrue) {
  Random random(6);
  for (int i = 0; i < kRounds; ++i) {
    const u64 value = random.number();
    const Scalar known = random.around(value);
    ASSERT_TRUE(holds(known, value)) << known;
    Scalar again = known;
    again.sync();
    ASSERT_TRUE(known.contains(again)) << known << "\nbecame\n" << again;
    ASSERT_TRUE(holds(again, value)) << known << "\nbecame\n" << again;
    Scalar third = again;
    third.sync();
    ASSERT_EQ(third, again) << known;
  }
}

TEST(Scalar, ContainsMeansEveryValue) {
  Random random(7);
  int contained = 0;
  for (int i = 0; i < kRounds; ++i) {
    const u64 value = random.number();
    const Scalar outer = random.around(random.below(2) == 0 ? value : random.number());
    const Scalar inner = random.around(value);
    ASSERT_TRUE(outer.contains(outer) && Scalar{}.contains(outer));
    if (!outer.contains(inner)) continue;
    ++contained;
    ASSERT_TRUE(holds(outer, value)) << outer << "\ncontains\n" << inner;
  }
  EXPECT_GT(contained, kRounds / 10);
}

// ---- what programs rely on ----

Scalar masked(u64 mask) { return alu(Alu::bit_and, 64, {}, Scalar::constant(mask)); }

TEST(Scalar, AMaskBoundsEveryView) {
  const Scalar byte = masked(0xff);
  EXPECT_EQ(byte.u, (Interval<u64>{0, 255}));
  EXPECT_EQ(byte.s, (Interval<s64>{0, 255}));
  EXPECT_EQ(byte.u32r, (Interval<u32>{0, 255}));
  EXPECT_EQ(byte.s32r, (Interval<s32>{0, 255}));
  EXPECT_EQ(byte.bits, (Tnum{0, 255}));
}

TEST(Scalar, A32BitComparisonBoundsTheLowHalfOnly) {
  Scalar a, b = Scalar::constant(16);
  ASSERT_TRUE(refine(Condition::lt, 32, a, b));
  EXPECT_EQ(a.u32r, (Interval<u32>{0, 15}));
  EXPECT_EQ(a.u, (Interval<u64>{0, 0xffff'ffff'0000'000f}));
  a.truncate(4);
  EXPECT_EQ(a.u, (Interval<u64>{0, 15}));
}

TEST(Scalar, ASignedComparisonAlsoBoundsTheUnsignedRange) {
  Scalar a, b = Scalar::constant(0), c = Scalar::constant(100);
  ASSERT_TRUE(refine(Condition::sge, 64, a, b));
  ASSERT_TRUE(refine(Condition::slt, 64, a, c));
  EXPECT_EQ(a.u, (Interval<u64>{0, 99}));
}

TEST(Scalar, WhatCannotBeIsSaid) {
  Scalar a = masked(7), b = Scalar::constant(9);
  EXPECT_EQ(decide(Condition::eq, 64, a, b), Outcome::never);
  EXPECT_FALSE(refine(Condition::eq, 64, a, b));
}

TEST(Scalar, TheOldIdiomOfSignExtension) {
  Scalar value = Scalar::loaded(4, false), b = Scalar::constant(10);
  ASSERT_TRUE(refine(Condition::slt, 32, value, b));
  value = alu(Alu::lsh, 64, value, Scalar::constant(32));
  value = alu(Alu::arsh, 64, value, Scalar::constant(32));
  EXPECT_EQ(value.s, (Interval<s64>{Limits<s32>::min(), 9}));
}

}  // namespace
}  // namespace forager::verifier
