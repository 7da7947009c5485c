// SPDX-License-Identifier: Apache-2.0
//
// Jumps, calls of the program's own functions, tail calls and the ways out.
#include <asmjit/arm/a64utils.h>

#include <cstddef>

#include "jit-backends/arm64/emitter.h"

namespace forager::jit::arm64 {

using namespace asmjit::a64;

namespace {

CondCode condition_of(Cond cond) {
  switch (cond) {
    case Cond::jeq:
      return CondCode::kEQ;
    case Cond::jne:
    case Cond::jset:
      return CondCode::kNE;
    case Cond::jgt:
      return CondCode::kHI;
    case Cond::jge:
      return CondCode::kHS;
    case Cond::jlt:
      return CondCode::kLO;
    case Cond::jle:
      return CondCode::kLS;
    case Cond::jsgt:
      return CondCode::kGT;
    case Cond::jsge:
      return CondCode::kGE;
    case Cond::jslt:
      return CondCode::kLT;
    case Cond::jsle:
      return CondCode::kLE;
  }
  return CondCode::kEQ;
}

}  // namespace

void Emitter::branch(const Step& step) {
  const Source with = source(step);
  const Label to = label_of(step.target);
  const Gp dst = sized(reg(step.dst), step.width);
  const bool with_zero = with.imm && with.value == 0;
  if (with_zero && (step.cond == Cond::jeq || step.cond == Cond::jne)) {
    return (step.cond == Cond::jeq) != step.inverted ? go_if_zero(dst, to) : go_if_set(dst, to);
  }
  compare(step, with);
  const CondCode condition = condition_of(step.cond);
  go_if(step.inverted ? asmjit::arm::negateCond(condition) : condition, to);
}

void Emitter::compare(const Step& step, const Source& with) {
  const Gp dst = sized(reg(step.dst), step.width);
  if (step.cond != Cond::jset) {
    return with.imm ? compare_constant(dst, with.value) : void(asm_.cmp(dst, sized(with.reg, step.width)));
  }
  const auto mask = static_cast<std::uint64_t>(step.width == 64 ? with.value : static_cast<std::uint32_t>(with.value));
  if (with.imm && Utils::isLogicalImm(mask, step.width)) return void(asm_.tst(dst, mask));
  asm_.tst(dst, in_register(with, step.width));
}

// ---- conditional branches, and what they are in far code -----------------------------------------------------------

void Emitter::go_if(CondCode condition, const Label& to) {
  if (!settings_.far) return void(asm_.b(condition, to));
  const Label over = asm_.newLabel();
  asm_.b(asmjit::arm::negateCond(condition), over);
  asm_.b(to);
  asm_.bind(over);
}

void Emitter::go_if_zero(const Gp& reg, const Label& to) {
  if (!settings_.far) return void(asm_.cbz(reg, to));
  const Label over = asm_.newLabel();
  asm_.cbnz(reg, over);
  asm_.b(to);
  asm_.bind(over);
}

void Emitter::go_if_set(const Gp& reg, const Label& to) {
  if (!settings_.far) return void(asm_.cbnz(reg, to));
  const Label over = asm_.newLabel();
  asm_.cbz(reg, over);
  asm_.b(to);
  asm_.bind(over);
}

// ---- functions -----------------------------------------------------------------------------------------------------

// The callee's frame stands above the caller's.
void Emitter::call_function(const Step& step) {
  const Gp frame = reg(isa::kFramePointer);
  asm_.add(frame, frame, isa::kStackBytes);
  asm_.bl(function_at(step.target));
  asm_.sub(frame, frame, isa::kStackBytes);
}

// The main function jumps to the program that comes after it. A subprogram calls it and returns what it returned, since
// it still has its caller's registers to give back. The target is data, so the jump is an indirect one.
void Emitter::tail_call(const Step& step) {
  const Label next = asm_.newLabel(), go = asm_.newLabel();
  asm_.mov(x0, kCells);
  call(Service::tail_call);
  asm_.cbnz(x0, go);
  asm_.ldr(kScratch.w(), cell(offsetof(Cells, stop)));
  asm_.cbz(kScratch.w(), next);
  asm_.b(leave_);
  asm_.bind(go);
  asm_.mov(kScratch, x0);
  asm_.ldr(reg(1), cell(offsetof(Cells, frame)));
  if (function_.is_main) {
    epilogue();
    asm_.br(kScratch);
  } else {
    asm_.blr(kScratch);
    exit(step);
  }
  asm_.bind(next);
}

void Emitter::exit(const Step&) {
  epilogue();
  asm_.ret(x30);
}

// Out of the program, from wherever it is: the stack goes back to where it was entered.
void Emitter::stop(Stop why) {
  asm_.mov(kScratch.w(), at_);
  asm_.str(kScratch.w(), cell(offsetof(Cells, stopped_at)));
  asm_.mov(kScratch.w(), static_cast<std::uint32_t>(why));
  asm_.str(kScratch.w(), cell(offsetof(Cells, stop)));
  asm_.b(leave_);
}

}  // namespace forager::jit::arm64
