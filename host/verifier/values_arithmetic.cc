// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic on ranges of numbers, for facts. scalar_alu.cc has what Linux tracks; divisions and shifts by unknown
// amounts are tracked here besides, since nobody compares facts with Linux's.
//
// A register that nothing is known of is taken for any number here, even if it may be a pointer: each operation is
// sound for all 2^64 values of a register. Only sums and differences of 64 bits can be pointers again, and moves.
#include <algorithm>

#include "isa/semantics.h"
#include "verifier/alu_form.h"
#include "verifier/values_effect.h"

namespace forager::verifier {
namespace {

using isa::Op;
namespace row = isa::semantics::row;

template <class T>
u64 compute(Alu op, T dst, T src) {
  switch (op) {
#define FORAGER_ALU(name, ...) \
  case Alu::name:              \
    return row::name<T>(dst, src);
#include "isa/isa.def"
  }
  return 0;
}

Interval<u64> unsigned_range(const Scalar& x, unsigned width) {
  return width == 64 ? x.u : Interval<u64>{x.u32r.min, x.u32r.max};
}
Interval<s64> signed_range(const Scalar& x, unsigned width) {
  return width == 64 ? x.s : Interval<s64>{x.s32r.min, x.s32r.max};
}

Scalar from(const Interval<u64>& range) {
  Scalar out;
  out.u = range;
  out.sync();
  return out;
}
Scalar from(const Interval<s64>& range, unsigned width) {
  Scalar out = Scalar::loaded(width / 8, false);
  if (width == 64) {
    out.s = range;
  } else {
    out.s32r = {static_cast<s32>(range.min), static_cast<s32>(range.max)};
  }
  out.sync();
  return out;
}

// Division by zero gives 0, and its remainder is the dividend.
Interval<u64> quotient(const Interval<u64>& a, const Interval<u64>& b) {
  if (b.min == 0) return {0, a.max};
  return {a.min / b.max, a.max / b.min};
}
Interval<u64> remainder(const Interval<u64>& a, const Interval<u64>& b) {
  if (b.min > a.max) return a;
  return {0, b.min == 0 ? a.max : std::min(a.max, b.max - 1)};
}

// By positive numbers.
Interval<s64> signed_quotient(const Interval<s64>& a, const Interval<s64>& b) {
  return {std::min(a.min / b.min, a.min / b.max), std::max(a.max / b.min, a.max / b.max)};
}
// It has the dividend's sign.
Interval<s64> signed_remainder(const Interval<s64>& a, const Interval<s64>& b) {
  return {std::max(std::min<s64>(a.min, 0), 1 - b.max), std::min(std::max<s64>(a.max, 0), b.max - 1)};
}

Scalar divided(Alu op, unsigned width, const Scalar& dst, const Scalar& src) {
  const Interval<u64> a = unsigned_range(dst, width), b = unsigned_range(src, width);
  if (op == Alu::div) return from(quotient(a, b));
  if (op == Alu::mod) return from(remainder(a, b));
  const Interval<s64> dividend = signed_range(dst, width), divisor = signed_range(src, width);
  if (divisor.min <= 0) return Scalar::loaded(width / 8, false);
  return from(op == Alu::sdiv ? signed_quotient(dividend, divisor) : signed_remainder(dividend, divisor), width);
}

// Only the low bits of the amount count.
Scalar shifted(Alu op, unsigned width, const Scalar& dst, const Scalar& src) {
  Interval<u64> by = unsigned_range(src, width);
  if (by.is_constant()) return alu(op, width, dst, Scalar::constant(by.min & (width - 1)));
  if (by.max >= width) by = {0, width - 1};
  const Interval<u64> a = unsigned_range(dst, width);
  const Interval<s64> s = signed_range(dst, width);
  if (op == Alu::rsh) return from({a.min >> by.max, a.max >> by.min});
  if (op == Alu::arsh) {
    return from({s.min >> (s.min < 0 ? by.min : by.max), s.max >> (s.max < 0 ? by.max : by.min)}, width);
  }
  const u64 most = width == 64 ? Limits<u64>::max() : Limits<u32>::max();
  if (a.max > most >> by.max) return Scalar::loaded(width / 8, false);
  return from({a.min << by.min, a.max << by.max});
}

Scalar two_operands(Alu op, unsigned width, const Scalar& dst, const Scalar& src) {
  if (width == 64 && dst.is_constant() && src.is_constant()) {
    return Scalar::constant(compute<u64>(op, dst.value(), src.value()));
  }
  if (width == 32 && dst.is_constant32() && src.is_constant32()) {
    return Scalar::constant(compute<u32>(op, static_cast<u32>(dst.bits.value), static_cast<u32>(src.bits.value)));
  }
  switch (op) {
    case Alu::div:
    case Alu::sdiv:
    case Alu::mod:
    case Alu::smod:
      return divided(op, width, dst, src);
    case Alu::lsh:
    case Alu::rsh:
    case Alu::arsh:
      return shifted(op, width, dst, src);
    default:
      return alu(op, width, dst, src);
  }
}

Scalar extended(unsigned bytes, unsigned width, Scalar src) {
  src.sign_extend(bytes);
  src.truncate(width / 8);
  return src;
}

}  // namespace

std::optional<Scalar> computed(Op op, const Scalar* dst, const Scalar* src) {
  const AluForm& form = alu_form(op);
  const Scalar any;
  const Scalar &a = dst == nullptr ? any : *dst, &b = src == nullptr ? any : *src;
  switch (form.shape) {
    case AluForm::Shape::move:
      if (form.width == 64) return src == nullptr ? std::nullopt : std::optional(b);
      return extended(8, form.width, b);
    case AluForm::Shape::sign_extend:
      return extended(form.bytes, form.width, b);
    case AluForm::Shape::negate:
      return two_operands(Alu::sub, form.width, Scalar::constant(0), a);
    case AluForm::Shape::swap:
      return swap_bytes(a, form.bytes, form.reverses);
    default:
      break;
  }
  const bool sums = (form.op == Alu::add || form.op == Alu::sub) && form.width == 64;
  if (sums && (dst == nullptr || src == nullptr)) return std::nullopt;
  return two_operands(form.op, form.width, a, b);
}

}  // namespace forager::verifier
