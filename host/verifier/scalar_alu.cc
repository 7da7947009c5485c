// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic on Scalars (Linux scalar_min_max_* and adjust_scalar_min_max_vals). Each operation updates the ranges of
// its width from the operands' ranges, and the known bits; sync() does the rest. A 32-bit operation works on the low
// halves alone, and its result is zero-extended.
#include <algorithm>

#include "verifier/scalar.h"

namespace forager::verifier {
namespace {

// Ranges of one width: T unsigned, S signed.
template <class T, class S>
struct Ranges {
  Interval<T> u;
  Interval<S> s;
};
using Ranges64 = Ranges<u64, s64>;
using Ranges32 = Ranges<u32, s32>;

// The sum (difference) of two ends; true if it does not fit.
template <class T>
bool add(T a, T b, T& out) {
  return __builtin_add_overflow(a, b, &out);
}
template <class T>
bool subtract(T a, T b, T& out) {
  return __builtin_sub_overflow(a, b, &out);
}

// A range whose ends were computed by `op`: kept if neither end overflowed, or, for unsigned numbers, if both did.
template <class T, class Op>
Interval<T> combined(T low_a, T low_b, T high_a, T high_b, Op op) {
  Interval<T> out;
  const bool low = op(low_a, low_b, out.min), high = op(high_a, high_b, out.max);
  const bool keep = Limits<T>::is_signed ? !low && !high : low == high;
  return keep ? out : Interval<T>{};
}

template <class T, class S>
Ranges<T, S> sum(const Ranges<T, S>& a, const Ranges<T, S>& b) {
  return {combined(a.u.min, b.u.min, a.u.max, b.u.max, add<T>), combined(a.s.min, b.s.min, a.s.max, b.s.max, add<S>)};
}

template <class T, class S>
Ranges<T, S> difference(const Ranges<T, S>& a, const Ranges<T, S>& b) {
  return {combined(a.u.min, b.u.max, a.u.max, b.u.min, subtract<T>),
          combined(a.s.min, b.s.max, a.s.max, b.s.min, subtract<S>)};
}

template <class T, class S>
Ranges<T, S> product(const Ranges<T, S>& a, const Ranges<T, S>& b) {
  Ranges<T, S> out;
  T top = 0;
  if (!__builtin_mul_overflow(a.u.max, b.u.max, &top)) out.u = {static_cast<T>(a.u.min * b.u.min), top};
  S corners[4];
  const bool overflow =
      __builtin_mul_overflow(a.s.min, b.s.min, &corners[0]) || __builtin_mul_overflow(a.s.min, b.s.max, &corners[1]) ||
      __builtin_mul_overflow(a.s.max, b.s.min, &corners[2]) || __builtin_mul_overflow(a.s.max, b.s.max, &corners[3]);
  if (!overflow) out.s = {*std::ranges::min_element(corners), *std::ranges::max_element(corners)};
  return out;
}

template <class T, class S>
Ranges<T, S> shifted_left(const Ranges<T, S>& a, unsigned shift) {
  Ranges<T, S> out;
  constexpr unsigned kWidth = Limits<T>::digits;
  if (shift == 0) return a;
  if (a.u.max <= Limits<T>::max() >> shift) {
    out.u = {static_cast<T>(a.u.min << shift), static_cast<T>(a.u.max << shift)};
  }
  // "<< 32" begins the old idiom of sign extension: the low half's signed range becomes the upper half's.
  const S least = static_cast<S>(Limits<S>::min() >> shift), most = static_cast<S>(Limits<S>::max() >> shift);
  if (shift < kWidth && a.s.min >= least && a.s.max <= most) {
    out.s = {static_cast<S>(static_cast<T>(a.s.min) << shift), static_cast<S>(static_cast<T>(a.s.max) << shift)};
  }
  return out;
}

template <class T, class S>
Ranges<T, S> shifted_right(const Ranges<T, S>& a, unsigned shift) {
  return {{static_cast<T>(a.u.min >> shift), static_cast<T>(a.u.max >> shift)}, {}};
}

template <class T, class S>
Ranges<T, S> shifted_right_signed(const Ranges<T, S>& a, unsigned shift) {
  return {{}, {static_cast<S>(a.s.min >> shift), static_cast<S>(a.s.max >> shift)}};
}

// Of bitwise operations the known bits say most; besides, "and" makes nothing larger and "or" nothing smaller.
template <class T, class S>
Ranges<T, S> masked(const Ranges<T, S>& a, const Ranges<T, S>& b) {
  return {{0, std::min(a.u.max, b.u.max)}, {}};
}
template <class T, class S>
Ranges<T, S> united(const Ranges<T, S>& a, const Ranges<T, S>& b) {
  return {{std::max(a.u.min, b.u.min), Limits<T>::max()}, {}};
}

bool is_shift(Alu op) { return op == Alu::lsh || op == Alu::rsh || op == Alu::arsh; }

template <class T, class S>
Ranges<T, S> ranges(Alu op, const Ranges<T, S>& a, const Ranges<T, S>& b) {
  const auto shift = static_cast<unsigned>(b.u.min);
  switch (op) {
    case Alu::add:
      return sum(a, b);
    case Alu::sub:
      return difference(a, b);
    case Alu::mul:
      return product(a, b);
    case Alu::bit_and:
      return masked(a, b);
    case Alu::bit_or:
      return united(a, b);
    case Alu::lsh:
      return shifted_left(a, shift);
    case Alu::rsh:
      return shifted_right(a, shift);
    case Alu::arsh:
      return shifted_right_signed(a, shift);
    default:
      return {};
  }
}

Tnum bits(Alu op, unsigned width, const Tnum& a, const Tnum& b) {
  const auto shift = static_cast<unsigned>(b.value);
  switch (op) {
    case Alu::add:
      return a + b;
    case Alu::sub:
      return a - b;
    case Alu::mul:
      return a * b;
    case Alu::bit_and:
      return a & b;
    case Alu::bit_or:
      return a | b;
    case Alu::bit_xor:
      return a ^ b;
    case Alu::lsh:
      return a << shift;
    case Alu::rsh:
      return a >> shift;
    case Alu::arsh:
      return shift_right_signed(a, shift, width);
    default:
      return {};
  }
}

Scalar alu64(Alu op, const Scalar& dst, const Scalar& src) {
  Scalar out;
  const Ranges64 wide = ranges(op, Ranges64{dst.u, dst.s}, Ranges64{src.u, src.s});
  out.bits = bits(op, 64, dst.bits, src.bits);
  out.u = wide.u;
  out.s = wide.s;
  // The low half of these depends on the low halves alone.
  if (op == Alu::add || op == Alu::sub || op == Alu::mul || op == Alu::bit_and || op == Alu::bit_or) {
    const Ranges32 half = ranges(op, Ranges32{dst.u32r, dst.s32r}, Ranges32{src.u32r, src.s32r});
    out.u32r = half.u;
    out.s32r = half.s;
  }
  if (op == Alu::lsh && src.value() == 32) {
    out.s = {static_cast<s64>(static_cast<u64>(dst.s32r.min) << 32),
             static_cast<s64>(static_cast<u64>(dst.s32r.max) << 32)};
  }
  out.sync();
  return out;
}

Scalar alu32(Alu op, const Scalar& dst, const Scalar& src) {
  Scalar out;
  const Ranges32 half = ranges(op, Ranges32{dst.u32r, dst.s32r}, Ranges32{src.u32r, src.s32r});
  out.bits = bits(op, 32, dst.bits.low32(), src.bits.low32()).low32();
  out.u32r = half.u;
  out.s32r = half.s;
  out.u = {half.u.min, half.u.max};
  out.s = {0, Limits<u32>::max()};
  out.sync();
  return out;
}

}  // namespace

Scalar swap_bytes(const Scalar& value, unsigned bytes, bool reverses) {
  Scalar out = value;
  out.truncate(bytes);
  if (!reverses) return out;
  const unsigned unused = 64 - bytes * 8;
  const Tnum swapped{__builtin_bswap64(out.bits.value) >> unused, __builtin_bswap64(out.bits.mask) >> unused};
  out = {};
  out.bits = swapped;
  out.sync();
  return out;
}

Scalar alu(Alu op, unsigned width, Scalar dst, Scalar src) {
  const bool divides = op == Alu::div || op == Alu::sdiv || op == Alu::mod || op == Alu::smod;
  const bool constant = width == 64 ? src.is_constant() : src.is_constant32();
  const u64 amount = width == 64 ? src.value() : src.bits.low32().value;
  if (divides || (is_shift(op) && (!constant || amount >= width))) return Scalar::loaded(width / 8, false);
  return width == 64 ? alu64(op, dst, src) : alu32(op, dst, src);
}

}  // namespace forager::verifier
