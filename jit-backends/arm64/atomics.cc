// SPDX-License-Identifier: Apache-2.0
//
// Atomic operations: one instruction where the processor has those (LSE), else a loop that loads and stores
// exclusively. Those that return what was there order everything around them, as Linux wants; the others order nothing
// (Documentation/bpf/standardization, "Atomic operations"; arch/arm64's own mapping is the same).
#include "jit-backends/arm64/emitter.h"
#include "jit-backends/common/features.h"

namespace forager::jit::arm64 {

using namespace asmjit::a64;

namespace {

constexpr unsigned kInnerShareable = 0xb;  // of DMB: all processors that Linux runs on

bool returns_old(Atomic atomic) { return atomic >= Atomic::atomic_fetch_add; }

}  // namespace

// These have no room for an offset.
void Emitter::atomic(const Step& step) {
  Mem at = address(step, reg(step.dst));
  if (at.hasOffset()) {
    add_constant(kAddress, reg(step.dst), at.offset());
    at = ptr(kAddress);
  }
  if (has(Features::kLse)) return atomic_instruction(step, at);
  if (step.atomic == Atomic::atomic_cmpxchg) return compare_in_loop(step, at);
  atomic_loop(step, at);
}

void Emitter::atomic_instruction(const Step& step, const Mem& at) {
  const unsigned bits = 8U * step.bytes;
  const Gp src = sized(reg(step.src), bits), inverse = sized(kScratch, bits);
  switch (step.atomic) {
    case Atomic::atomic_add:
      return void(asm_.stadd(src, at));
    case Atomic::atomic_or:
      return void(asm_.stset(src, at));
    case Atomic::atomic_xor:
      return void(asm_.steor(src, at));
    case Atomic::atomic_and:  // the instruction clears the bits that are set
      asm_.mvn(inverse, src);
      return void(asm_.stclr(inverse, at));
    case Atomic::atomic_fetch_add:
      return void(asm_.ldaddal(src, src, at));
    case Atomic::atomic_fetch_or:
      return void(asm_.ldsetal(src, src, at));
    case Atomic::atomic_fetch_xor:
      return void(asm_.ldeoral(src, src, at));
    case Atomic::atomic_fetch_and:
      asm_.mvn(inverse, src);
      return void(asm_.ldclral(inverse, src, at));
    case Atomic::atomic_xchg:
      return void(asm_.swpal(src, src, at));
    case Atomic::atomic_cmpxchg:
      return void(asm_.casal(sized(reg(0), bits), src, at));
  }
}

void Emitter::atomic_loop(const Step& step, const Mem& at) {
  const unsigned bits = 8U * step.bytes;
  const Gp src = sized(reg(step.src), bits), old = sized(kScratch, bits), fresh = sized(kScratch2, bits);
  const Label again = asm_.newLabel();
  asm_.bind(again);
  asm_.ldxr(old, at);
  switch (step.atomic) {
    case Atomic::atomic_add:
    case Atomic::atomic_fetch_add:
      asm_.add(fresh, old, src);
      break;
    case Atomic::atomic_or:
    case Atomic::atomic_fetch_or:
      asm_.orr(fresh, old, src);
      break;
    case Atomic::atomic_and:
    case Atomic::atomic_fetch_and:
      asm_.and_(fresh, old, src);
      break;
    case Atomic::atomic_xor:
    case Atomic::atomic_fetch_xor:
      asm_.eor(fresh, old, src);
      break;
    default:
      asm_.mov(fresh, src);
      break;
  }
  if (!returns_old(step.atomic)) {
    asm_.stxr(kStatus.w(), fresh, at);
    return void(asm_.cbnz(kStatus.w(), again));
  }
  store_released(fresh, at, again);
  asm_.dmb(kInnerShareable);
  asm_.mov(src, old);
}

void Emitter::compare_in_loop(const Step& step, const Mem& at) {
  const unsigned bits = 8U * step.bytes;
  const Gp expected = sized(reg(0), bits), old = sized(kScratch, bits);
  const Label again = asm_.newLabel(), other = asm_.newLabel();
  asm_.bind(again);
  asm_.ldxr(old, at);
  asm_.cmp(old, expected);
  asm_.b(CondCode::kNE, other);
  store_released(sized(reg(step.src), bits), at, again);
  asm_.dmb(kInnerShareable);
  asm_.bind(other);
  asm_.mov(expected, old);
}

// The status is a W register; asmjit encodes just that, and wants it called as wide as the value.
void Emitter::store_released(const Gp& value, const Mem& at, const Label& again) {
  asm_.stlxr(sized(kStatus, value.isGpX() ? 64 : 32), value, at);
  asm_.cbnz(kStatus.w(), again);
}

}  // namespace forager::jit::arm64
