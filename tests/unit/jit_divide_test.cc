// SPDX-License-Identifier: Apache-2.0
//
// Division by multiplication, against the processor's division.
#include "jit-backends/common/divide.h"

#include <gtest/gtest.h>

#include <random>

namespace forager::jit {
namespace {

__extension__ using Wide = unsigned __int128;

std::uint64_t high(std::uint64_t a, std::uint64_t b) { return static_cast<std::uint64_t>(Wide{a} * b >> 64); }

std::uint64_t wide_quotient(std::uint64_t n, const Reciprocal& by) {
  const std::uint64_t t = high(by.multiplier, n);
  return (((n - t) >> 1) + t) >> by.shift;
}

std::vector<std::uint64_t> interesting(std::mt19937_64& random, std::uint64_t divisor, std::uint64_t limit) {
  std::vector<std::uint64_t> numbers = {0, 1, divisor - 1, divisor, divisor + 1, limit, limit - 1, limit / 2};
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t multiple = random() % (limit / divisor + 1) * divisor;
    numbers.insert(numbers.end(), {random() & limit, multiple, multiple - 1, multiple + 1});
  }
  std::erase_if(numbers, [&](std::uint64_t n) { return n > limit; });
  return numbers;
}

TEST(JitDivide, NarrowDividends) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 3000; ++i) {
    const std::uint64_t divisor = i < 1000 ? 3 + i : (random() >> (32 + random() % 30)) | 3;
    if ((divisor & (divisor - 1)) == 0) continue;
    const Reciprocal by = narrow_reciprocal(divisor);
    for (const std::uint64_t n : interesting(random, divisor, UINT32_MAX)) {
      ASSERT_EQ(high(by.multiplier, n), n / divisor) << n << " / " << divisor;
    }
  }
}

TEST(JitDivide, ShortMultipliers) {
  std::mt19937_64 random(3);
  unsigned found = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::uint64_t divisor = i < 1000 ? 3 + i : (random() >> (32 + random() % 30)) | 3;
    if ((divisor & (divisor - 1)) == 0) continue;
    const auto by = short_reciprocal(static_cast<std::uint32_t>(divisor));
    if (!by) continue;
    ++found;
    ASSERT_LE(by->multiplier, UINT32_MAX);
    for (const std::uint64_t n : interesting(random, divisor, UINT32_MAX)) {
      ASSERT_EQ(by->multiplier * n >> (32 + by->shift), n / divisor) << n << " / " << divisor;
    }
  }
  EXPECT_GT(found, 1000U);
  EXPECT_TRUE(short_reciprocal(10));
  EXPECT_FALSE(short_reciprocal(7));
}

TEST(JitDivide, WideDividends) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 3000; ++i) {
    const std::uint64_t divisor = i < 1000 ? 3 + i : i < 1100 ? UINT64_MAX - i : (random() >> (random() % 61)) | 3;
    if ((divisor & (divisor - 1)) == 0) continue;
    const Reciprocal by = wide_reciprocal(divisor);
    for (const std::uint64_t n : interesting(random, divisor, UINT64_MAX)) {
      ASSERT_EQ(wide_quotient(n, by), n / divisor) << n << " / " << divisor;
    }
  }
}

}  // namespace
}  // namespace forager::jit
