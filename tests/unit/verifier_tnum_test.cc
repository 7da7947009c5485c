// SPDX-License-Identifier: Apache-2.0
//
// Tnums: tried in full on short words, against all values that they stand for.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <vector>

#include "verifier/scalar.h"

namespace forager::verifier {

static std::ostream& operator<<(std::ostream& out, const Tnum& t) {
  return out << std::hex << "(" << t.value << "; " << t.mask << ")" << std::dec;
}

namespace {

constexpr unsigned kBits = 5;
constexpr u64 kWord = (u64{1} << kBits) - 1;

bool holds(const Tnum& t, u64 value) { return (value & ~t.mask) == t.value; }

// Every tnum of kBits bits, and the values that it stands for.
struct Set {
  Tnum tnum;
  std::vector<u64> values;
};
const std::vector<Set>& sets() {
  static const std::vector<Set> kSets = [] {
    std::vector<Set> out;
    for (u64 mask = 0; mask <= kWord; ++mask) {
      for (u64 value = 0; value <= kWord; ++value) {
        if ((value & mask) != 0) continue;
        Set& set = out.emplace_back(Set{{value, mask}, {}});
        for (u64 v = 0; v <= kWord; ++v) {
          if (holds(set.tnum, v)) set.values.push_back(v);
        }
      }
    }
    return out;
  }();
  return kSets;
}

// The least tnum that holds all of these.
class Least {
 public:
  void add(u64 value) {
    all_ &= value;
    any_ |= value;
  }
  [[nodiscard]] Tnum tnum() const { return {all_, all_ ^ any_}; }

 private:
  u64 all_ = ~u64{0}, any_ = 0;
};

enum class Grade : std::uint8_t { sound, least };

// `abstract` of two tnums holds `concrete` of all their values, and, where asked, no value more than a tnum must.
template <class Abstract, class Concrete>
void check_pairs(Grade grade, Abstract abstract, Concrete concrete) {
  for (const Set& a : sets()) {
    for (const Set& b : sets()) {
      const Tnum result = abstract(a.tnum, b.tnum);
      ASSERT_EQ(result.value & result.mask, 0U);
      Least least;
      for (const u64 x : a.values) {
        for (const u64 y : b.values) {
          const u64 value = concrete(x, y);
          ASSERT_TRUE(holds(result, value)) << a.tnum << " and " << b.tnum << ": " << result << " lacks " << value;
          least.add(value);
        }
      }
      if (grade == Grade::sound) continue;
      ASSERT_EQ(result, least.tnum()) << a.tnum << " and " << b.tnum;
    }
  }
}

// The same of one operand, moved to where the operation can be seen: bit `at` of the word is its lowest.
template <class Abstract, class Concrete>
void check_each(unsigned at, Abstract abstract, Concrete concrete) {
  for (const Set& a : sets()) {
    const Tnum result = abstract(a.tnum << at);
    Least least;
    for (const u64 x : a.values) least.add(concrete(x << at));
    ASSERT_EQ(result, least.tnum()) << a.tnum << " at bit " << at;
  }
}

TEST(Tnum, SumsAndDifferencesAreTheLeastThatHold) {
  check_pairs(Grade::least, [](auto a, auto b) { return a + b; }, [](u64 x, u64 y) { return x + y; });
  check_pairs(Grade::least, [](auto a, auto b) { return a - b; }, [](u64 x, u64 y) { return x - y; });
}

TEST(Tnum, BitwiseOperationsAreTheLeastThatHold) {
  check_pairs(Grade::least, [](auto a, auto b) { return a & b; }, [](u64 x, u64 y) { return x & y; });
  check_pairs(Grade::least, [](auto a, auto b) { return a | b; }, [](u64 x, u64 y) { return x | y; });
  check_pairs(Grade::least, [](auto a, auto b) { return a ^ b; }, [](u64 x, u64 y) { return x ^ y; });
}

TEST(Tnum, ProductsHold) {
  check_pairs(Grade::sound, [](auto a, auto b) { return a * b; }, [](u64 x, u64 y) { return x * y; });
  EXPECT_EQ(Tnum::constant(6) * Tnum::constant(7), Tnum::constant(42));
  EXPECT_EQ((Tnum{0, ~u64{0}} * Tnum::constant(8)), (Tnum{0, ~u64{7}}));
}

TEST(Tnum, ProductsOfLargeNumbersWrapAround) {
  check_pairs(
      Grade::sound, [](auto a, auto b) { return (a << 59) * (b << 2); },
      [](u64 x, u64 y) { return (x << 59) * (y << 2); });
}

TEST(Tnum, Shifts) {
  for (unsigned by = 0; by < 64; ++by) {
    for (const unsigned at : {0U, 27U, 59U}) {
      check_each(at, [=](auto a) { return a << by; }, [=](u64 x) { return x << by; });
      check_each(at, [=](auto a) { return a >> by; }, [=](u64 x) { return x >> by; });
      check_each(
          at, [=](auto a) { return shift_right_signed(a, by, 64); },
          [=](u64 x) { return static_cast<u64>(static_cast<s64>(x) >> by); });
    }
  }
  for (unsigned by = 0; by < 32; ++by) {
    check_each(
        27, [=](auto a) { return shift_right_signed(a, by, 32); },
        [=](u64 x) { return u64{static_cast<u32>(static_cast<s32>(x) >> by)}; });
  }
}

TEST(Tnum, JoinIsTheLeastThatHoldsBoth) {
  for (const Set& a : sets()) {
    for (const Set& b : sets()) {
      Least least;
      for (const u64 x : a.values) least.add(x);
      for (const u64 y : b.values) least.add(y);
      ASSERT_EQ(join(a.tnum, b.tnum), least.tnum()) << a.tnum << " and " << b.tnum;
    }
  }
}

TEST(Tnum, IntersectionHoldsWhatBothHold) {
  for (const Set& a : sets()) {
    for (const Set& b : sets()) {
      Least common;
      bool any = false;
      for (const u64 x : a.values) {
        if (!holds(b.tnum, x)) continue;
        common.add(x);
        any = true;
      }
      if (!any) continue;
      ASSERT_EQ(intersect(a.tnum, b.tnum), common.tnum()) << a.tnum << " and " << b.tnum;
    }
  }
}

TEST(Tnum, ContainsIfEveryValueIsOneOfIts) {
  for (const Set& a : sets()) {
    for (const Set& b : sets()) {
      const bool all = std::ranges::all_of(b.values, [&](u64 v) { return holds(a.tnum, v); });
      ASSERT_EQ(a.tnum.contains(b.tnum), all) << a.tnum << " and " << b.tnum;
    }
  }
}

TEST(Tnum, RangesAreTheLeastThatHold) {
  for (u64 min = 0; min <= 2 * kWord; ++min) {
    Least least;
    for (u64 max = min; max <= 2 * kWord; ++max) {
      least.add(max);
      ASSERT_EQ(Tnum::range(min, max), least.tnum()) << min << ".." << max;
    }
  }
  EXPECT_EQ(Tnum::range(0, ~u64{0}), Tnum{});
  EXPECT_EQ(Tnum::range(u64{1} << 63, ~u64{0}), (Tnum{u64{1} << 63, ~u64{0} >> 1}));
}

TEST(Tnum, PartsOfWords) {
  const Tnum t{0x1122'3344'5566'7700, 0xff};
  EXPECT_EQ(t.low(1), (Tnum{0, 0xff}));
  EXPECT_EQ(t.low(2), (Tnum{0x7700, 0xff}));
  EXPECT_EQ(t.low32(), (Tnum{0x5566'7700, 0xff}));
  EXPECT_EQ(t.low(8), t);
  EXPECT_EQ(t.with_low32(Tnum::constant(1)), Tnum::constant(0x1122'3344'0000'0001));
}

TEST(Tnum, AlignmentIsThatOfEveryValue) {
  for (const Set& a : sets()) {
    for (const u64 size : {1U, 2U, 4U, 8U}) {
      const bool all = std::ranges::all_of(a.values, [=](u64 v) { return v % size == 0; });
      ASSERT_EQ(a.tnum.is_aligned(size), all) << a.tnum << " by " << size;
    }
  }
}

}  // namespace
}  // namespace forager::verifier
