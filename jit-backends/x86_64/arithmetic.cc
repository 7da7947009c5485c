// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic but division. A 32-bit instruction of x86-64 clears the upper half of its destination, as BPF's do.
#include "jit-backends/common/features.h"
#include "jit-backends/x86_64/emitter.h"

namespace forager::jit::x86_64 {

using namespace asmjit::x86;

void Emitter::alu(const Step& step) {
  const Gp dst = sized(reg(step.dst), step.width);
  const Source from = source(step);
  const auto both = [&](asmjit::InstId instruction) {
    if (from.imm) {
      asm_.emit(instruction, dst, asmjit::Imm(from.value));
    } else {
      asm_.emit(instruction, dst, sized(from.reg, step.width));
    }
  };
  switch (step.alu) {
    case Alu::add:
      return both(Inst::kIdAdd);
    case Alu::sub:
      return both(Inst::kIdSub);
    case Alu::bit_or:
      return both(Inst::kIdOr);
    case Alu::bit_xor:
      return both(Inst::kIdXor);
    case Alu::bit_and:
      // A mask without high bits needs no 64-bit operation.
      if (from.imm && from.value >= 0) return void(asm_.and_(dst.r32(), from.value));
      return both(Inst::kIdAnd);
    case Alu::mov:
      return move(step, from);
    case Alu::mul:
      return multiply(step, from);
    case Alu::lsh:
    case Alu::rsh:
    case Alu::arsh:
      return shift(step, from);
    case Alu::div:
    case Alu::mod:
    case Alu::sdiv:
    case Alu::smod:
      return divide(step, from);
  }
}

void Emitter::move(const Step& step, const Source& from) {
  const Gp dst = reg(step.dst);
  if (from.imm) {
    const auto value = static_cast<std::uint64_t>(from.value);
    return load_constant(dst, step.width == 32 ? static_cast<std::uint32_t>(value) : value);
  }
  if (step.width == 64 && dst == from.reg) return;
  asm_.mov(sized(dst, step.width), sized(from.reg, step.width));
}

void Emitter::multiply(const Step& step, const Source& by) {
  const Gp dst = sized(reg(step.dst), step.width);
  if (by.imm && (by.value == 3 || by.value == 5 || by.value == 9)) {
    asm_.lea(dst, ptr(reg(step.dst), reg(step.dst), by.value == 3 ? 1U : by.value == 5 ? 2U : 3U));
  } else if (by.imm) {
    asm_.imul(dst, dst, by.value);
  } else {
    asm_.imul(dst, sized(by.reg, step.width));
  }
}

// ---- shifts --------------------------------------------------------------------------------------------------------
// The processor takes the amount modulo the width, as BPF does.

void Emitter::shift(const Step& step, const Source& amount) {
  if (!amount.imm) return shift_by_register(step, amount.reg);
  const Gp dst = sized(reg(step.dst), step.width);
  const auto bits = static_cast<unsigned>(amount.value) & (step.width - 1U);
  switch (step.alu) {
    case Alu::lsh:
      return void(asm_.shl(dst, bits));
    case Alu::rsh:
      return void(asm_.shr(dst, bits));
    default:
      return void(asm_.sar(dst, bits));
  }
}

void Emitter::shift_by_register(const Step& step, const Gp& amount) {
  const Gp dst = sized(reg(step.dst), step.width), by = sized(amount, step.width);
  if (has(Features::kBmi2)) {
    switch (step.alu) {
      case Alu::lsh:
        return void(asm_.shlx(dst, dst, by));
      case Alu::rsh:
        return void(asm_.shrx(dst, dst, by));
      default:
        return void(asm_.sarx(dst, dst, by));
    }
  }
  // The amount has to be in CL, which is r3.
  const Gp value = reg(step.dst) == rcx ? kScratch2 : reg(step.dst);
  const bool busy = value != kScratch2 && amount != rcx;
  if (value == kScratch2) asm_.mov(kScratch2, rcx);
  if (busy) asm_.mov(kScratch3, rcx);
  if (amount != rcx) asm_.mov(ecx, amount.r32());
  shift_in_cl(step, value);
  if (value == kScratch2) asm_.mov(rcx, kScratch2);
  if (busy) asm_.mov(rcx, kScratch3);
}

void Emitter::shift_in_cl(const Step& step, const Gp& value) {
  const Gp dst = sized(value, step.width);
  switch (step.alu) {
    case Alu::lsh:
      return void(asm_.shl(dst, cl));
    case Alu::rsh:
      return void(asm_.shr(dst, cl));
    default:
      return void(asm_.sar(dst, cl));
  }
}

// ---- one operand ---------------------------------------------------------------------------------------------------

void Emitter::extend(const Step& step) {
  const Gp dst = sized(reg(step.dst), step.width), src = reg(step.src);
  switch (step.bytes) {
    case 1:
      return void(asm_.movsx(dst, src.r8()));
    case 2:
      return void(asm_.movsx(dst, src.r16()));
    default:
      return void(asm_.movsxd(dst, src.r32()));
  }
}

void Emitter::truncate(const Step& step) {
  const Gp dst = reg(step.dst), src = reg(step.src);
  if (step.bytes == 2) return void(asm_.movzx(dst.r32(), src.r16()));
  asm_.mov(dst.r32(), src.r32());
}

void Emitter::negate(const Step& step) { asm_.neg(sized(reg(step.dst), step.width)); }

void Emitter::swap(const Step& step) { swap_register(reg(step.dst), step.bytes); }

void Emitter::swap_register(const Gp& reg, unsigned bytes) {
  if (bytes == 2) {
    asm_.rol(reg.r16(), 8);
    asm_.movzx(reg.r32(), reg.r16());
  } else {
    asm_.bswap(bytes == 8 ? reg : reg.r32());
  }
}

void Emitter::rotate(const Step& step) {
  const Gp dst = sized(reg(step.dst), step.width), src = sized(reg(step.src), step.width);
  const auto left = static_cast<unsigned>(step.imm);
  if (dst == src) return void(asm_.rol(dst, left));
  if (has(Features::kBmi2)) return void(asm_.rorx(dst, src, step.width - left));
  asm_.mov(dst, src);
  asm_.rol(dst, left);
}

void Emitter::add_to(const Step& step) {
  const Gp dst = sized(reg(step.dst), step.width);
  if (!settings_.blind_constants) return void(asm_.lea(dst, ptr(reg(step.src), static_cast<std::int32_t>(step.imm))));
  load_constant(kScratch, step.imm);
  asm_.lea(dst, ptr(reg(step.src), kScratch));
}

}  // namespace forager::jit::x86_64
