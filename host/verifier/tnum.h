// SPDX-License-Identifier: Apache-2.0
//
// Tnum, a tristate number: which bits of a 64-bit value are known. A bit of `mask` that is set is unknown; the others
// have the bit of `value`. It is the abstract domain of Linux's kernel/bpf/tnum.c; Vishwanathan et al. ("Sound,
// Precise, and Fast Abstract Interpretation with Tristate Numbers", CGO 2022) prove its addition and subtraction
// optimal and its multiplication sound.
//
// Invariant: value & mask == 0.
//
// Tested by: tests/unit/verifier_tnum_test.cc (every operation against all values of short words).
#pragma once

#include <bit>
#include <cstdint>

namespace forager::verifier {

struct Tnum {
  std::uint64_t value = 0;
  std::uint64_t mask = ~std::uint64_t{0};

  [[nodiscard]] static constexpr Tnum constant(std::uint64_t value) { return {value, 0}; }
  // The least tnum that holds all of [min, max].
  [[nodiscard]] static constexpr Tnum range(std::uint64_t min, std::uint64_t max) {
    const auto width = static_cast<unsigned>(std::bit_width(min ^ max));
    if (width > 63) return {};
    const std::uint64_t low = (std::uint64_t{1} << width) - 1;
    return {min & ~low, low};
  }

  [[nodiscard]] constexpr bool is_constant() const { return mask == 0; }
  // Every value of `other` is one of ours.
  [[nodiscard]] constexpr bool contains(const Tnum& other) const {
    return (other.mask & ~mask) == 0 && value == (other.value & ~mask);
  }
  [[nodiscard]] constexpr bool is_aligned(std::uint64_t size) const { return ((value | mask) & (size - 1)) == 0; }
  // The low `bytes` bytes, zero above.
  [[nodiscard]] constexpr Tnum low(unsigned bytes) const {
    const std::uint64_t keep = bytes >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (bytes * 8)) - 1;
    return {value & keep, mask & keep};
  }
  [[nodiscard]] constexpr Tnum low32() const { return low(4); }
  [[nodiscard]] constexpr Tnum with_low32(const Tnum& other) const {
    constexpr std::uint64_t kHigh = ~std::uint64_t{0xffffffff};
    return {(value & kHigh) | other.value, (mask & kHigh) | other.mask};
  }
  friend constexpr bool operator==(const Tnum&, const Tnum&) = default;
};

[[nodiscard]] constexpr Tnum operator+(const Tnum& a, const Tnum& b) {
  const std::uint64_t sigma = (a.mask + b.mask) + (a.value + b.value);
  const std::uint64_t mu = (sigma ^ (a.value + b.value)) | a.mask | b.mask;
  return {(a.value + b.value) & ~mu, mu};
}

[[nodiscard]] constexpr Tnum operator-(const Tnum& a, const Tnum& b) {
  const std::uint64_t difference = a.value - b.value;
  const std::uint64_t mu = ((difference + a.mask) ^ (difference - b.mask)) | a.mask | b.mask;
  return {difference & ~mu, mu};
}

[[nodiscard]] constexpr Tnum operator&(const Tnum& a, const Tnum& b) {
  const std::uint64_t value = a.value & b.value;
  return {value, (a.value | a.mask) & (b.value | b.mask) & ~value};
}

[[nodiscard]] constexpr Tnum operator|(const Tnum& a, const Tnum& b) {
  const std::uint64_t value = a.value | b.value;
  return {value, (a.mask | b.mask) & ~value};
}

[[nodiscard]] constexpr Tnum operator^(const Tnum& a, const Tnum& b) {
  const std::uint64_t mask = a.mask | b.mask;
  return {(a.value ^ b.value) & ~mask, mask};
}

[[nodiscard]] constexpr Tnum operator<<(const Tnum& a, unsigned shift) { return {a.value << shift, a.mask << shift}; }
[[nodiscard]] constexpr Tnum operator>>(const Tnum& a, unsigned shift) { return {a.value >> shift, a.mask >> shift}; }

// An unknown sign bit makes unknown bits; of a word of 32 bits the result is zero above.
[[nodiscard]] constexpr Tnum shift_right_signed(const Tnum& a, unsigned shift, unsigned width) {
  if (width == 32) {
    return {static_cast<std::uint32_t>(static_cast<std::int32_t>(a.value) >> shift),
            static_cast<std::uint32_t>(static_cast<std::int32_t>(a.mask) >> shift)};
  }
  return {static_cast<std::uint64_t>(static_cast<std::int64_t>(a.value) >> shift),
          static_cast<std::uint64_t>(static_cast<std::int64_t>(a.mask) >> shift)};
}

// The values of both; the operands must have one in common.
[[nodiscard]] constexpr Tnum intersect(const Tnum& a, const Tnum& b) {
  const std::uint64_t mask = a.mask & b.mask;
  return {(a.value | b.value) & ~mask, mask};
}

// The least tnum that holds both.
[[nodiscard]] constexpr Tnum join(const Tnum& a, const Tnum& b) {
  const std::uint64_t mask = a.mask | b.mask | (a.value ^ b.value);
  return {a.value & ~mask, mask};
}

// Long multiplication: known bits of `a` add the other's value, unknown ones the other's doubt.
[[nodiscard]] constexpr Tnum operator*(Tnum a, Tnum b) {
  const std::uint64_t product = a.value * b.value;
  Tnum doubt = Tnum::constant(0);
  while (a.value != 0 || a.mask != 0) {
    if ((a.value & 1) != 0) doubt = doubt + Tnum{0, b.mask};
    if ((a.mask & 1) != 0) doubt = doubt + Tnum{0, b.value | b.mask};
    a = a >> 1;
    b = b << 1;
  }
  return Tnum::constant(product) + doubt;
}

}  // namespace forager::verifier
