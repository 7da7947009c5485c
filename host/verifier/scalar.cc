// SPDX-License-Identifier: Apache-2.0
//
// How the views of a Scalar learn from each other (Linux reg_bounds_sync and its parts), and width changes.
#include "verifier/scalar.h"

#include <algorithm>

namespace forager::verifier {
namespace {

constexpr u64 kHigh = ~u64{0xffffffff};

u32 low(u64 value) { return static_cast<u32>(value); }
u32 high(u64 value) { return static_cast<u32>(value >> 32); }
s32 signed_low(u64 value) { return static_cast<s32>(value); }

// The unsigned and the signed range of one word, of which each may rule out a part of the other.
template <class U, class S>
void agree(Interval<U>& u, Interval<S>& s) {
  if (static_cast<S>(u.min) <= static_cast<S>(u.max)) s.cut(static_cast<S>(u.min), static_cast<S>(u.max));
  const auto smin = static_cast<U>(s.min), smax = static_cast<U>(s.max);
  if (smin <= smax) {
    u.cut(smin, smax);
  } else if (u.max < smin) {  // no negative number is left
    s.min = static_cast<S>(u.min);
    u.max = std::min(u.max, smax);
  } else if (smax < u.min) {  // no other one is
    s.max = static_cast<S>(u.max);
    u.min = std::max(u.min, smin);
  }
}

}  // namespace

Scalar Scalar::constant(u64 value) {
  return {.bits = Tnum::constant(value),
          .u = {value, value},
          .s = {static_cast<s64>(value), static_cast<s64>(value)},
          .u32r = {low(value), low(value)},
          .s32r = {signed_low(value), signed_low(value)}};
}

Scalar Scalar::loaded(unsigned bytes, bool sign) {
  Scalar out;
  if (sign) {
    out.sign_extend(bytes);
  } else {
    out.truncate(bytes);
  }
  return out;
}

bool Scalar::contains(const Scalar& other) const {
  return bits.contains(other.bits) && u.contains(other.u) && s.contains(other.s) && u32r.contains(other.u32r) &&
         s32r.contains(other.s32r);
}

void Scalar::bounds_from_bits() {
  const Tnum half = bits.low32();
  u.cut(bits.value, bits.value | bits.mask);
  s.cut(static_cast<s64>(bits.value | (bits.mask & u64{1} << 63)),
        static_cast<s64>(bits.value | (bits.mask & ~(u64{1} << 63))));
  u32r.cut(low(half.value), low(half.value | half.mask));
  s32r.cut(signed_low(half.value | (half.mask & 0x80000000U)), signed_low(half.value | (half.mask & 0x7fffffffU)));
}

void Scalar::deduce32() {
  // A 64-bit range whose upper halves agree (or cross from -1 to 0) is a range of its lower half.
  const auto learn = [&](u64 min, u64 max) {
    if (high(min) == high(max)) {
      if (low(min) <= low(max)) u32r.cut(low(min), low(max));
      if (signed_low(min) <= signed_low(max)) s32r.cut(signed_low(min), signed_low(max));
    } else if (high(min) + 1 == high(max) && signed_low(min) < 0 && signed_low(max) >= 0) {
      s32r.cut(signed_low(min), signed_low(max));
    }
  };
  if (!u.empty()) learn(u.min, u.max);
  if (!s.empty()) learn(static_cast<u64>(s.min), static_cast<u64>(s.max));
  agree(u32r, s32r);
}

void Scalar::deduce64() { agree(u, s); }

void Scalar::deduce_mixed() {
  u.cut((u.min & kHigh) | u32r.min, (u.max & kHigh) | u32r.max);
  s.cut(static_cast<s64>((static_cast<u64>(s.min) & kHigh) | u32r.min),
        static_cast<s64>((static_cast<u64>(s.max) & kHigh) | u32r.max));
  // A number that fits 32 signed bits and whose low half is not negative is that half.
  if (s32r.min >= 0 && s.min >= Limits<s32>::min() && s.max <= Limits<s32>::max()) {
    u.cut(static_cast<u64>(s32r.min), static_cast<u64>(s32r.max));
    s.cut(s32r.min, s32r.max);
  }
}

void Scalar::bits_from_bounds() {
  const Tnum whole = intersect(bits, Tnum::range(u.min, u.max));
  const Tnum half = intersect(whole.low32(), Tnum::range(u32r.min, u32r.max));
  bits = whole.with_low32(half);
}

bool Scalar::sync() {
  bounds_from_bits();
  for (int round = 0; round < 3; ++round) {
    deduce32();
    deduce64();
    deduce_mixed();
  }
  // Contradicting ranges mean that no execution comes here; what is derived from them must not be trusted.
  if (!empty()) {
    bits_from_bounds();
    bounds_from_bits();
    if (!empty()) return true;
  }
  *this = {};
  return false;
}

void Scalar::truncate(unsigned bytes) {
  if (bytes >= 8) return;
  bits = bits.low(bytes);
  const u64 keep = (u64{1} << (bytes * 8)) - 1;
  if ((u.min & ~keep) == (u.max & ~keep)) {
    u = {u.min & keep, u.max & keep};
  } else {
    u = {0, keep};
  }
  s = {static_cast<s64>(u.min), static_cast<s64>(u.max)};
  if (bytes < 4) {
    u32r = {low(u.min), low(u.max)};
    s32r = {signed_low(u.min), signed_low(u.max)};
  }
  sync();
}

void Scalar::sign_extend(unsigned bytes) {
  if (bytes >= 8) return;
  const unsigned unused = 64 - bytes * 8;
  const auto extend = [&](u64 value) { return static_cast<s64>(value << unused) >> unused; };
  if (bits.is_constant()) {
    *this = constant(static_cast<u64>(extend(bits.value)));
    return;
  }
  const s64 lowest = extend(u64{1} << (bytes * 8 - 1)), highest = ~lowest;
  const u64 keep = (u64{1} << (bytes * 8)) - 1;
  Interval<s64> range{lowest, highest};
  // A signed range that does not leave the narrow word's blocks keeps its ends.
  if ((static_cast<u64>(s.min) & ~keep) == (static_cast<u64>(s.max) & ~keep)) {
    const s64 a = extend(static_cast<u64>(s.min)), b = extend(static_cast<u64>(s.max));
    if ((a >= 0) == (b >= 0)) range = {std::min(a, b), std::max(a, b)};
  }
  if (s.min >= lowest && s.max <= highest) range = s;
  if (bytes == 4) range.cut(s32r.min, s32r.max);
  const Tnum narrow = bits.low(bytes);
  *this = {};
  s = range;
  bits = {static_cast<u64>(extend(narrow.value)), static_cast<u64>(extend(narrow.mask))};
  bits.value &= ~bits.mask;
  sync();
}

}  // namespace forager::verifier
