// SPDX-License-Identifier: Apache-2.0
//
// Division. BPF gives 0 for a quotient by zero and the dividend for a remainder, and knows no overflow (RFC 9669
// section 4.1); x86-64 traps on both. Divisors are checked where the verifier did not rule out what is wrong with them.
#include <bit>

#include "jit-backends/common/divide.h"
#include "jit-backends/common/features.h"
#include "jit-backends/x86_64/emitter.h"

namespace forager::jit::x86_64 {
namespace {

bool is_signed(Alu alu) { return alu == Alu::sdiv || alu == Alu::smod; }
bool is_remainder(Alu alu) { return alu == Alu::mod || alu == Alu::smod; }

}  // namespace

using namespace asmjit::x86;

void Emitter::divide(const Step& step, const Source& by) {
  if (!by.imm) return divide_by_register(step, by.reg);
  const auto divisor = static_cast<std::uint64_t>(step.width == 32 ? static_cast<std::uint32_t>(by.value) : by.value);
  if (divisor == 0) return divide_by_zero(step);
  if (!is_signed(step.alu)) return divide_by_constant(step, divisor);
  if (!step.plain) return divide_by_minus_one(step);
  asm_.mov(kScratch, by.value);
  divide_by_register(step, kScratch);
}

// ---- by constants --------------------------------------------------------------------------------------------------

void Emitter::divide_by_constant(const Step& step, std::uint64_t divisor) {
  if (std::has_single_bit(divisor)) return divide_by_power(step, static_cast<unsigned>(std::countr_zero(divisor)));
  const Gp dst = reg(step.dst);
  if (step.width == 32) {
    asm_.mov(dst.r32(), dst.r32());
    multiply_high(kScratch, dst, narrow_reciprocal(divisor).multiplier);
  } else {
    const Reciprocal reciprocal = wide_reciprocal(divisor);
    multiply_high(kScratch, dst, reciprocal.multiplier);
    asm_.mov(kScratch2, dst);
    asm_.sub(kScratch2, kScratch);
    asm_.shr(kScratch2, 1);
    asm_.add(kScratch, kScratch2);
    asm_.shr(kScratch, reciprocal.shift);
  }
  if (!is_remainder(step.alu)) return void(asm_.mov(dst, kScratch));
  if (divisor <= INT32_MAX) {
    asm_.imul(kScratch, kScratch, static_cast<std::int64_t>(divisor));
  } else {
    asm_.mov(kScratch2, divisor);
    asm_.imul(kScratch, kScratch2);
  }
  asm_.sub(dst, kScratch);
}

void Emitter::divide_by_power(const Step& step, unsigned bits) {
  const Gp dst = sized(reg(step.dst), step.width);
  if (!is_remainder(step.alu)) return void(asm_.shr(dst, bits));
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  if (mask <= INT32_MAX) return void(asm_.and_(dst.r32(), mask));
  asm_.mov(kScratch, mask);
  asm_.and_(dst, sized(kScratch, step.width));
}

// The upper half of the product; uses kScratch2 and kScratch3.
void Emitter::multiply_high(const Gp& to, const Gp& by, std::uint64_t constant) {
  asm_.mov(kScratch2, constant);
  if (by != rdx) asm_.mov(kScratch3, rdx);
  if (has(Features::kBmi2)) {
    if (by != rdx) asm_.mov(rdx, by);
    asm_.mulx(to, kScratch2, kScratch2);
    if (by != rdx) asm_.mov(rdx, kScratch3);
    return;
  }
  // MUL works in RAX and RDX.
  if (by == rdx) asm_.mov(kScratch3, rdx);
  asm_.mov(to, rax);
  if (by != rax) asm_.mov(rax, by);
  asm_.mul(kScratch2);
  asm_.mov(rax, to);
  asm_.mov(to, rdx);
  asm_.mov(rdx, kScratch3);
}

// The processor shifts and tests nothing here: what a divisor of zero gives is known.
void Emitter::divide_by_zero(const Step& step) {
  const Gp dst = reg(step.dst);
  if (!is_remainder(step.alu)) return void(asm_.xor_(dst.r32(), dst.r32()));
  if (step.width == 32) asm_.mov(dst.r32(), dst.r32());
}

void Emitter::divide_by_minus_one(const Step& step) {
  const Gp dst = reg(step.dst);
  if (is_remainder(step.alu)) return void(asm_.xor_(dst.r32(), dst.r32()));
  asm_.neg(sized(dst, step.width));
}

// ---- by registers --------------------------------------------------------------------------------------------------

// DIV takes its dividend in RDX:RAX, r2 and r0, and leaves quotient and remainder there.
void Emitter::divide_by_register(const Step& step, const Gp& divisor) {
  const Gp dst = reg(step.dst), by = sized(kScratch, step.width);
  const Label done = asm_.newLabel();
  if (divisor != kScratch) asm_.mov(by, sized(divisor, step.width));
  if (!step.nonzero) {
    const Label zero = asm_.newLabel();
    asm_.test(by, by);
    asm_.jz(zero);
    later([=, this] {
      asm_.bind(zero);
      divide_by_zero(step);
      asm_.jmp(done);
    });
  }
  if (is_signed(step.alu) && !step.plain) {
    const Label minus_one = asm_.newLabel();
    asm_.cmp(by, -1);
    asm_.je(minus_one);
    later([=, this] {
      asm_.bind(minus_one);
      divide_by_minus_one(step);
      asm_.jmp(done);
    });
  }
  const bool keeps_r0 = dst != rax && (step.live & 1U << 0) != 0, keeps_r2 = dst != rdx && (step.live & 1U << 2) != 0;
  if (keeps_r0) asm_.mov(kScratch2, rax);
  if (keeps_r2) asm_.mov(kScratch3, rdx);
  if (dst != rax) asm_.mov(sized(rax, step.width), sized(dst, step.width));
  if (!is_signed(step.alu)) {
    asm_.xor_(edx, edx);
    asm_.div(by);
  } else if (step.width == 64) {
    asm_.cqo();
    asm_.idiv(by);
  } else {
    asm_.cdq();
    asm_.idiv(by);
  }
  const Gp result = is_remainder(step.alu) ? rdx : rax;
  if (dst != result) asm_.mov(sized(dst, step.width), sized(result, step.width));
  if (keeps_r0) asm_.mov(rax, kScratch2);
  if (keeps_r2) asm_.mov(rdx, kScratch3);
  asm_.bind(done);
}

}  // namespace forager::jit::x86_64
