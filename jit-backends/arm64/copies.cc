// SPDX-License-Identifier: Apache-2.0
//
// BPF has two operands, so a = b + c is a copy and a change of the copy; AArch64 has three. A copy is left to the next
// step where that one changes it.
#include "jit-backends/arm64/emitter.h"

namespace forager::jit::arm64 {
namespace {

bool changes(const Step& step, unsigned reg) {
  if (step.dst != reg) return false;
  if (step.kind == Kind::negate || step.kind == Kind::swap) return true;
  return step.kind == Kind::alu && step.alu != Alu::mov && (step.has_imm || step.src != reg);
}

// A copy of 32 bits has zeros above, which a 64-bit step would see.
bool sees_as_much(const Step& copy, const Step& change) {
  const unsigned bits = change.kind == Kind::swap ? 8U * change.bytes : change.width;
  return bits <= copy.width;
}

}  // namespace

bool Emitter::next_takes(const Step& copy) const {
  if (copy.kind != Kind::alu || copy.alu != Alu::mov || copy.has_imm) return false;
  const std::uint32_t end = program_.blocks()[program_.block_of(at_)].end;
  for (std::uint32_t at = at_ + 1; at < end; ++at) {
    const Step& next = code_.steps[at];
    if (next.kind != Kind::none) return changes(next, copy.dst) && sees_as_much(copy, next);
  }
  return false;
}

void Emitter::emit_step(const Step& step) {
  if (next_takes(step)) {
    copied_ = step.src;
    return;
  }
  emit_by_rule(*this, step);
  copied_ = kNothing;
}

}  // namespace forager::jit::arm64
