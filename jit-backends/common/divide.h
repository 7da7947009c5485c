// SPDX-License-Identifier: Apache-2.0
//
// Division by a constant as a multiplication (Granlund and Montgomery, "Division by Invariant Integers using
// Multiplication", PLDI 1994).
//
// Tested by: tests/unit/jit_divide_test.cc.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>

namespace forager::jit {

// n / divisor, for divisors of 3 and more that are no powers of two:
//   narrow (every n is below 2^32):  high(multiplier * n)
//   else:                            t = high(multiplier * n);  (((n - t) >> 1) + t) >> shift
// where high() is the upper half of the 128-bit product.
struct Reciprocal {
  std::uint64_t multiplier = 0;
  unsigned shift = 0;
};

[[nodiscard]] constexpr Reciprocal narrow_reciprocal(std::uint64_t divisor) {
  // n * (multiplier - 2^64 / divisor) < n < 2^32 <= 2^64 / divisor for every 32-bit divisor: the floor is exact.
  return {.multiplier = ~std::uint64_t{0} / divisor + 1, .shift = 0};
}

// For most divisors of n below 2^32, 32 bits are enough: n / divisor = (multiplier * n) >> (32 + shift).
[[nodiscard]] constexpr std::optional<Reciprocal> short_reciprocal(std::uint32_t divisor) {
  const unsigned shift = static_cast<unsigned>(std::bit_width(divisor)) - 1;
  const std::uint64_t power = std::uint64_t{1} << (32 + shift);
  const std::uint64_t multiplier = power / divisor + 1;
  const std::uint64_t excess = multiplier * divisor - power;  // exact while n * excess < power, for every n
  if (excess > std::uint64_t{1} << shift) return std::nullopt;
  return Reciprocal{.multiplier = multiplier, .shift = shift};
}

[[nodiscard]] constexpr Reciprocal wide_reciprocal(std::uint64_t divisor) {
  __extension__ using Wide = unsigned __int128;
  const unsigned bits = static_cast<unsigned>(std::bit_width(divisor - 1));
  const Wide above = (bits == 64 ? Wide{0} : Wide{1} << bits) - divisor;
  const auto low_part = static_cast<std::uint64_t>(above);  // 2^bits - divisor, also where 2^64 does not fit
  const Wide multiplier = (Wide{low_part} << 64) / divisor + 1;
  return {.multiplier = static_cast<std::uint64_t>(multiplier), .shift = bits - 1};
}

}  // namespace forager::jit
