// SPDX-License-Identifier: Apache-2.0
//
// Conditions on Scalars: whether ranges decide one (Linux is_scalar_branch_taken), and what its truth teaches of both
// operands (regs_refine_cond_op). 32-bit conditions look at the low halves.
#include <algorithm>
#include <bit>
#include <utility>

#include "verifier/scalar.h"

namespace forager::verifier {
namespace {

Outcome outcome(bool always, bool never) {
  if (always) return Outcome::always;
  return never ? Outcome::never : Outcome::unknown;
}

template <class T>
bool disjoint(const Interval<T>& a, const Interval<T>& b) {
  return a.min > b.max || a.max < b.min;
}

template <class T>
Outcome less(const Interval<T>& a, const Interval<T>& b) {
  return outcome(a.max < b.min, a.min >= b.max);
}
template <class T>
Outcome less_or_equal(const Interval<T>& a, const Interval<T>& b) {
  return outcome(a.max <= b.min, a.min > b.max);
}

Outcome negated(Outcome value) {
  if (value == Outcome::unknown) return value;
  return value == Outcome::always ? Outcome::never : Outcome::always;
}

bool bits_differ(const Tnum& a, const Tnum& b) { return ((a.value ^ b.value) & ~a.mask & ~b.mask) != 0; }

Outcome equal(unsigned width, const Scalar& a, const Scalar& b) {
  if (width == 64) {
    if (a.is_constant() && b.is_constant()) return outcome(a.value() == b.value(), a.value() != b.value());
    return outcome(false, bits_differ(a.bits, b.bits) || disjoint(a.u, b.u) || disjoint(a.s, b.s) ||
                              disjoint(a.u32r, b.u32r) || disjoint(a.s32r, b.s32r));
  }
  const Tnum x = a.bits.low32(), y = b.bits.low32();
  if (x.is_constant() && y.is_constant()) return outcome(x.value == y.value, x.value != y.value);
  return outcome(false, bits_differ(x, y) || disjoint(a.u32r, b.u32r) || disjoint(a.s32r, b.s32r));
}

Outcome any_bit_set(unsigned width, const Scalar& a, const Scalar& b) {
  const Tnum x = width == 64 ? a.bits : a.bits.low32(), y = width == 64 ? b.bits : b.bits.low32();
  const Tnum both = x & y;
  return outcome(both.value != 0, both.value == 0 && both.mask == 0);
}

// a == b: each is what both can be.
void refine_equal(unsigned width, Scalar& a, Scalar& b) {
  a.u32r.cut(b.u32r.min, b.u32r.max);
  a.s32r.cut(b.s32r.min, b.s32r.max);
  b.u32r = a.u32r;
  b.s32r = a.s32r;
  if (width == 32) {
    const Tnum half = intersect(a.bits.low32(), b.bits.low32());
    a.bits = a.bits.with_low32(half);
    b.bits = b.bits.with_low32(half);
    return;
  }
  a.u.cut(b.u.min, b.u.max);
  a.s.cut(b.s.min, b.s.max);
  a.bits = intersect(a.bits, b.bits);
  b = a;
}

// value != constant: it is not an end of the range.
template <class T>
void exclude(Interval<T>& range, T value) {
  if (range.min == value && range.min != Limits<T>::max()) ++range.min;
  if (range.max == value && range.max != Limits<T>::min()) --range.max;
}

void refine_not_equal(unsigned width, Scalar& a, const Scalar& b) {
  if (width == 64 && b.is_constant()) {
    exclude(a.u, b.value());
    exclude(a.s, static_cast<s64>(b.value()));
  } else if (width == 32 && b.is_constant32()) {
    const auto value = static_cast<u32>(b.bits.value);
    exclude(a.u32r, value);
    exclude(a.s32r, static_cast<s32>(value));
  }
}

void refine_bits(Condition condition, unsigned width, Scalar& a, const Scalar& b) {
  if (width == 64 ? !b.is_constant() : !b.is_constant32()) return;
  const u64 value = width == 64 ? b.value() : b.bits.low32().value;
  if (condition == Condition::not_set) {
    a.bits = a.bits & Tnum::constant(~value);
  } else if (std::has_single_bit(value)) {  // of several bits nobody knows which one
    a.bits = a.bits | Tnum::constant(value);
  }
}

// a < b, or a <= b. A range without room was decided before it came here.
template <class T>
void refine_less(Interval<T>& a, Interval<T>& b, bool or_equal) {
  const T step = or_equal ? 0 : 1;
  if (step == 1 && (b.max == Limits<T>::min() || a.min == Limits<T>::max())) return;
  a.max = std::min<T>(a.max, b.max - step);
  b.min = std::max<T>(b.min, a.min + step);
}

}  // namespace

Condition opposite(Condition condition) {
  constexpr std::pair<Condition, Condition> kPairs[] = {
      {Condition::eq, Condition::ne},   {Condition::gt, Condition::le},   {Condition::ge, Condition::lt},
      {Condition::sgt, Condition::sle}, {Condition::sge, Condition::slt}, {Condition::set, Condition::not_set}};
  for (const auto& [a, b] : kPairs) {
    if (condition == a) return b;
    if (condition == b) return a;
  }
  return condition;
}

Condition mirrored(Condition condition) {
  constexpr std::pair<Condition, Condition> kPairs[] = {{Condition::gt, Condition::lt},
                                                        {Condition::ge, Condition::le},
                                                        {Condition::sgt, Condition::slt},
                                                        {Condition::sge, Condition::sle}};
  for (const auto& [a, b] : kPairs) {
    if (condition == a) return b;
    if (condition == b) return a;
  }
  return condition;
}

Outcome decide(Condition condition, unsigned width, const Scalar& a, const Scalar& b) {
  const bool wide = width == 64;
  switch (condition) {
    case Condition::eq:
      return equal(width, a, b);
    case Condition::ne:
      return negated(equal(width, a, b));
    case Condition::set:
      return any_bit_set(width, a, b);
    case Condition::not_set:
      return negated(any_bit_set(width, a, b));
    case Condition::lt:
      return wide ? less(a.u, b.u) : less(a.u32r, b.u32r);
    case Condition::le:
      return wide ? less_or_equal(a.u, b.u) : less_or_equal(a.u32r, b.u32r);
    case Condition::slt:
      return wide ? less(a.s, b.s) : less(a.s32r, b.s32r);
    case Condition::sle:
      return wide ? less_or_equal(a.s, b.s) : less_or_equal(a.s32r, b.s32r);
    default:
      return decide(mirrored(condition), width, b, a);
  }
}

bool refine(Condition condition, unsigned width, Scalar& a, Scalar& b) {
  const bool wide = width == 64;
  switch (condition) {
    case Condition::eq:
      refine_equal(width, a, b);
      break;
    case Condition::ne:
      refine_not_equal(width, a, b);
      refine_not_equal(width, b, a);
      break;
    case Condition::set:
    case Condition::not_set:
      refine_bits(condition, width, a, b);
      refine_bits(condition, width, b, a);
      break;
    case Condition::lt:
    case Condition::le:
      wide ? refine_less(a.u, b.u, condition == Condition::le)
           : refine_less(a.u32r, b.u32r, condition == Condition::le);
      break;
    case Condition::slt:
    case Condition::sle:
      wide ? refine_less(a.s, b.s, condition == Condition::sle)
           : refine_less(a.s32r, b.s32r, condition == Condition::sle);
      break;
    default:
      return refine(mirrored(condition), width, b, a);
  }
  const bool first = a.sync(), second = b.sync();
  return first && second;
}

}  // namespace forager::verifier
