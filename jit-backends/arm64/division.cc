// SPDX-License-Identifier: Apache-2.0
//
// Division. What BPF wants of a divisor of zero and of the smallest number by -1 (RFC 9669 section 4.1) is what the
// processor does: quotients of 0 and of that smallest number; so nothing is checked. A remainder is the dividend less
// the product, which gives the dividend and 0 then.
#include <bit>

#include "jit-backends/arm64/emitter.h"
#include "jit-backends/common/divide.h"

namespace forager::jit::arm64 {
namespace {

bool is_signed(Alu alu) { return alu == Alu::sdiv || alu == Alu::smod; }
bool is_remainder(Alu alu) { return alu == Alu::mod || alu == Alu::smod; }

}  // namespace

using namespace asmjit::a64;

void Emitter::divide(const Step& step, const Source& by) {
  const auto divisor = static_cast<std::uint64_t>(step.width == 32 ? static_cast<std::uint32_t>(by.value) : by.value);
  if (by.imm && divisor != 0 && !is_signed(step.alu)) return divide_by_constant(step, divisor);
  divide_by_register(step, in_register(by, step.width));
}

void Emitter::divide_by_register(const Step& step, const Gp& divisor) {
  const Gp dst = sized(reg(step.dst), step.width), dividend = sized(first(step), step.width);
  const Gp quotient = is_remainder(step.alu) ? sized(kScratch2, step.width) : dst;
  is_signed(step.alu) ? asm_.sdiv(quotient, dividend, divisor) : asm_.udiv(quotient, dividend, divisor);
  if (is_remainder(step.alu)) asm_.msub(dst, quotient, divisor, dividend);
}

// ---- by constants --------------------------------------------------------------------------------------------------

void Emitter::divide_by_constant(const Step& step, std::uint64_t divisor) {
  if (std::has_single_bit(divisor)) return divide_by_power(step, static_cast<unsigned>(std::countr_zero(divisor)));
  if (!is_remainder(step.alu)) return quotient(reg(step.dst), step, divisor);
  const Gp dst = sized(reg(step.dst), step.width), by = sized(kScratch2, step.width);
  quotient(kScratch, step, divisor);
  asm_.mov(by, divisor);
  asm_.msub(dst, sized(kScratch, step.width), by, sized(first(step), step.width));
}

// By a multiplication; of 32-bit numbers the result is 32 bits long.
void Emitter::quotient(const Gp& to, const Step& step, std::uint64_t divisor) {
  const Gp dividend = first(step);
  if (step.width == 64) return wide_quotient(to, dividend, wide_reciprocal(divisor));
  if (const auto reciprocal = short_reciprocal(static_cast<std::uint32_t>(divisor))) {
    asm_.mov(kScratch.w(), reciprocal->multiplier);
    asm_.umull(kScratch, dividend.w(), kScratch.w());
    return void(asm_.lsr(to, kScratch, 32 + reciprocal->shift));
  }
  asm_.mov(kScratch2.w(), dividend.w());
  asm_.mov(kScratch, narrow_reciprocal(divisor).multiplier);
  asm_.umulh(to, kScratch2, kScratch);
}

void Emitter::wide_quotient(const Gp& to, const Gp& dividend, const Reciprocal& by) {
  asm_.mov(kScratch, by.multiplier);
  asm_.umulh(kScratch, dividend, kScratch);
  asm_.sub(kScratch2, dividend, kScratch);
  asm_.add(kScratch, kScratch, kScratch2, lsr(1));
  asm_.lsr(to, kScratch, by.shift);
}

void Emitter::divide_by_power(const Step& step, unsigned bits) {
  const Gp dst = sized(reg(step.dst), step.width), dividend = sized(first(step), step.width);
  if (!is_remainder(step.alu)) return void(asm_.lsr(dst, dividend, bits));
  if (bits == 0) return load_constant(reg(step.dst), 0);
  asm_.and_(dst, dividend, (std::uint64_t{1} << bits) - 1);
}

}  // namespace forager::jit::arm64
