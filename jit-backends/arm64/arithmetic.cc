// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic but division. An instruction on W registers clears the upper half of its destination, as BPF's do.
#include <asmjit/arm/a64utils.h>

#include "jit-backends/arm64/emitter.h"

namespace forager::jit::arm64 {

using namespace asmjit::a64;

void Emitter::alu(const Step& step) {
  const Source from = source(step);
  switch (step.alu) {
    case Alu::add:
    case Alu::sub:
      return add(step, from);
    case Alu::bit_or:
    case Alu::bit_xor:
    case Alu::bit_and:
      return combine(step, from);
    case Alu::mov:
      return move(step, from);
    case Alu::mul: {
      const Gp dst = sized(reg(step.dst), step.width);
      return void(asm_.mul(dst, sized(first(step), step.width), in_register(from, step.width)));
    }
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

void Emitter::add(const Step& step, const Source& by) {
  const Gp dst = sized(reg(step.dst), step.width), to = sized(first(step), step.width);
  const bool subtract = step.alu == Alu::sub;
  if (by.imm) return add_constant(dst, to, subtract ? -by.value : by.value);
  const Gp other = sized(by.reg, step.width);
  subtract ? asm_.sub(dst, to, other) : asm_.add(dst, to, other);
}

// Bit masks that repeat a run of ones fit into the instruction.
void Emitter::combine(const Step& step, const Source& with) {
  const Gp dst = sized(reg(step.dst), step.width), from = sized(first(step), step.width);
  const auto instruction = step.alu == Alu::bit_or    ? Inst::kIdOrr
                           : step.alu == Alu::bit_xor ? Inst::kIdEor
                                                      : Inst::kIdAnd;
  const auto mask = static_cast<std::uint64_t>(step.width == 64 ? with.value : static_cast<std::uint32_t>(with.value));
  if (with.imm && Utils::isLogicalImm(mask, step.width)) {
    asm_.emit(instruction, dst, from, asmjit::Imm(mask));
  } else {
    asm_.emit(instruction, dst, from, in_register(with, step.width));
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

// The processor takes an amount in a register modulo the width, as BPF does.
void Emitter::shift(const Step& step, const Source& amount) {
  const Gp dst = sized(reg(step.dst), step.width), from = sized(first(step), step.width);
  const auto instruction = step.alu == Alu::lsh ? Inst::kIdLsl : step.alu == Alu::rsh ? Inst::kIdLsr : Inst::kIdAsr;
  if (amount.imm) {
    asm_.emit(instruction, dst, from, asmjit::Imm(amount.value & (step.width - 1)));
  } else {
    asm_.emit(instruction, dst, from, sized(amount.reg, step.width));
  }
}

// ---- one operand ---------------------------------------------------------------------------------------------------

void Emitter::extend(const Step& step) {
  const Gp dst = sized(reg(step.dst), step.width), src = reg(step.src).w();
  switch (step.bytes) {
    case 1:
      return void(asm_.sxtb(dst, src));
    case 2:
      return void(asm_.sxth(dst, src));
    default:
      return void(asm_.sxtw(dst, src));
  }
}

void Emitter::truncate(const Step& step) {
  const Gp dst = reg(step.dst).w(), src = reg(step.src).w();
  step.bytes == 2 ? asm_.uxth(dst, src) : asm_.mov(dst, src);
}

void Emitter::negate(const Step& step) { asm_.neg(sized(reg(step.dst), step.width), sized(first(step), step.width)); }

void Emitter::swap(const Step& step) {
  const unsigned width = step.bytes == 8 ? 64 : 32;
  const Gp dst = sized(reg(step.dst), width), from = sized(first(step), width);
  if (step.bytes != 2) return void(asm_.rev(dst, from));
  asm_.rev16(dst, from);
  asm_.uxth(dst, dst);
}

void Emitter::rotate(const Step& step) {
  asm_.ror(sized(reg(step.dst), step.width), sized(reg(step.src), step.width), step.width - step.imm);
}

void Emitter::add_to(const Step& step) {
  const Gp dst = sized(reg(step.dst), step.width), src = sized(reg(step.src), step.width);
  Step constant = step;
  constant.has_imm = true;
  const Source by = source(constant);
  if (by.imm) return add_constant(dst, src, by.value);
  asm_.add(dst, src, sized(by.reg, step.width));
}

}  // namespace forager::jit::arm64
