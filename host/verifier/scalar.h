// SPDX-License-Identifier: Apache-2.0
//
// Scalar: what is known of a 64-bit number, as six views that are kept in step: its known bits, its range as unsigned
// and as signed number, and the same ranges of its low 32 bits. For a pointer it is the variable part of the offset.
//
// Every operation is sound: what the concrete operation can yield on values of the operands lies in the result. The
// rules are those of Linux's verifier (6.18), so that what Linux can prove is proved here.
//
// Tested by: tests/unit/verifier_domain_test.cc (random values through every operation and comparison).
#pragma once

#include <cstdint>
#include <limits>

#include "isa/isa.h"
#include "verifier/tnum.h"

namespace forager::verifier {

using s32 = std::int32_t;
using s64 = std::int64_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

template <class T>
using Limits = std::numeric_limits<T>;

// An inclusive range.
template <class T>
struct Interval {
  T min = Limits<T>::min();
  T max = Limits<T>::max();
  [[nodiscard]] constexpr bool empty() const { return min > max; }
  [[nodiscard]] constexpr bool is_constant() const { return min == max; }
  [[nodiscard]] constexpr bool contains(const Interval& other) const { return min <= other.min && other.max <= max; }
  // Keeps what lies in [low, high] too.
  constexpr void cut(T low, T high) {
    if (low > min) min = low;
    if (high < max) max = high;
  }
  friend constexpr bool operator==(const Interval&, const Interval&) = default;
};

struct Scalar {
  Tnum bits;
  Interval<u64> u;
  Interval<s64> s;
  Interval<u32> u32r;
  Interval<s32> s32r;

  [[nodiscard]] static Scalar constant(u64 value);
  // What a load of so many bytes yields.
  [[nodiscard]] static Scalar loaded(unsigned bytes, bool sign);

  [[nodiscard]] bool is_constant() const { return bits.is_constant(); }
  [[nodiscard]] bool is_constant32() const { return bits.low32().is_constant(); }
  [[nodiscard]] u64 value() const { return bits.value; }
  [[nodiscard]] bool is_unknown() const { return *this == Scalar{}; }
  // Every value of `other` is one of ours.
  [[nodiscard]] bool contains(const Scalar& other) const;
  // Ranges contradict each other: no value is left.
  [[nodiscard]] bool empty() const { return u.empty() || s.empty() || u32r.empty() || s32r.empty(); }

  // Lets each view learn from the others. False if they contradict each other: no value is left; then nothing is known.
  bool sync();
  // Keeps the low bytes and extends them by zeros, or by their sign.
  void truncate(unsigned bytes);
  void sign_extend(unsigned bytes);

  friend bool operator==(const Scalar&, const Scalar&) = default;

 private:
  void bounds_from_bits();
  void deduce32();
  void deduce64();
  void deduce_mixed();
  void bits_from_bounds();
};

// The two-operand arithmetic of isa.def, without its operands' forms and widths.
enum class Alu : std::uint8_t {
#define FORAGER_ALU(name, ...) name,
#include "isa/isa.def"
};

// dst op= src, of 64 or 32 bits (a 32-bit result is zero-extended). What Linux does not track (division, shifts by
// unknown or excessive amounts) yields an unknown number of that width. Moves are not arithmetic here.
[[nodiscard]] Scalar alu(Alu op, unsigned width, Scalar dst, Scalar src);

// The low bytes, their order reversed or not, zero above.
[[nodiscard]] Scalar swap_bytes(const Scalar& value, unsigned bytes, bool reverses);

// Conditions of jumps, without their operands' forms; not_set is what holds where `set` is not taken.
enum class Condition : std::uint8_t { eq, ne, gt, ge, lt, le, sgt, sge, slt, sle, set, not_set };
[[nodiscard]] Condition opposite(Condition condition);
// The condition that holds with the operands swapped.
[[nodiscard]] Condition mirrored(Condition condition);

enum class Outcome : std::uint8_t { unknown, always, never };
[[nodiscard]] Outcome decide(Condition condition, unsigned width, const Scalar& a, const Scalar& b);
// What both operands are known to be where the condition holds; false if it cannot hold.
[[nodiscard]] bool refine(Condition condition, unsigned width, Scalar& a, Scalar& b);

}  // namespace forager::verifier
