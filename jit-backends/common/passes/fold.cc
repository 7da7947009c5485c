// SPDX-License-Identifier: Apache-2.0
//
// Constants, from the verifier's ranges. Of pointers it says nothing, so that a fact means a number.
#include <bit>

#include "isa/semantics.h"
#include "jit-backends/common/passes/passes.h"

namespace forager::jit {
namespace {

using verifier::ValueFact;

bool fits_imm32(std::uint64_t value) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(value))) == value;
}

template <class T>
std::uint64_t result_of(Alu alu, T dst, T src) {
  namespace row = isa::semantics::row;
  switch (alu) {
#define FORAGER_ALU(name, ...) \
  case Alu::name:              \
    return row::name<T>(dst, src);
#include "isa/isa.def"
  }
  return 0;
}

// What the step computes where both operands are known.
std::uint64_t result_of(const Step& step, std::uint64_t dst, std::uint64_t src) {
  if (step.width == 64) return result_of<std::uint64_t>(step.alu, dst, src);
  return result_of<std::uint32_t>(step.alu, static_cast<std::uint32_t>(dst), static_cast<std::uint32_t>(src));
}

void use_constant_source(const ValueFact& src, Step& step) {
  if (step.has_imm || !src.is_constant()) return;
  const std::uint64_t value = src.min;
  if (step.width == 64 && !fits_imm32(value)) return;
  step.has_imm = true;
  step.imm = step.width == 32 ? static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(value)))
                              : value;
  judge_divisor(step);
}

void make_constant(Step& step, std::uint64_t value) {
  const std::uint8_t dst = step.dst;
  step = {.kind = Kind::constant, .dst = dst, .imm = value};
}

// Unsigned division of numbers below 2^32 is the same in 32 bits, and quicker.
void narrow_division(const verifier::Facts& facts, Step& step) {
  const bool unsigned_division = step.alu == Alu::div || step.alu == Alu::mod;
  const std::uint64_t divisor = step.has_imm ? step.imm : facts.src.max;
  if (unsigned_division && step.width == 64 && facts.dst.max <= UINT32_MAX && divisor <= UINT32_MAX) step.width = 32;
}

void shift_by_power(Step& step) {
  const std::uint64_t factor = step.width == 32 ? static_cast<std::uint32_t>(step.imm) : step.imm;
  if (step.alu != Alu::mul || !step.has_imm || !std::has_single_bit(factor)) return;
  step.alu = Alu::lsh;
  step.imm = static_cast<std::uint64_t>(std::countr_zero(factor));
}

void fold_alu(const verifier::Facts& facts, Step& step) {
  use_constant_source(facts.src, step);
  const bool known_dst = step.alu == Alu::mov || facts.dst.is_constant();
  const bool known_src = step.has_imm || facts.src.is_constant();
  if (known_dst && known_src) {
    return make_constant(step, result_of(step, facts.dst.min, step.has_imm ? step.imm : facts.src.min));
  }
  narrow_division(facts, step);
  shift_by_power(step);
}

}  // namespace

void fold(Code& code) {
  for (std::uint32_t at = 0; at < code.steps.size(); ++at) {
    Step& step = code.steps[at];
    const verifier::Facts& facts = code.facts(at);
    if (!facts.reachable) continue;
    if (step.kind == Kind::alu) fold_alu(facts, step);
    if (step.kind == Kind::branch) use_constant_source(facts.src, step);
    if (step.kind == Kind::store && facts.src.is_constant() && !step.has_imm && fits_imm32(facts.src.min)) {
      step.has_imm = true;
      step.imm = facts.src.min;
    }
  }
}

}  // namespace forager::jit
