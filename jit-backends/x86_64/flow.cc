// SPDX-License-Identifier: Apache-2.0
//
// Jumps, calls of the program's own functions, tail calls and the ways out.
#include <cstddef>

#include "jit-backends/x86_64/emitter.h"

namespace forager::jit::x86_64 {

using namespace asmjit::x86;

namespace {

CondCode condition_of(Cond cond) {
  switch (cond) {
    case Cond::jeq:
      return CondCode::kE;
    case Cond::jne:
    case Cond::jset:
      return CondCode::kNE;
    case Cond::jgt:
      return CondCode::kA;
    case Cond::jge:
      return CondCode::kAE;
    case Cond::jlt:
      return CondCode::kB;
    case Cond::jle:
      return CondCode::kBE;
    case Cond::jsgt:
      return CondCode::kG;
    case Cond::jsge:
      return CondCode::kGE;
    case Cond::jslt:
      return CondCode::kL;
    case Cond::jsle:
      return CondCode::kLE;
  }
  return CondCode::kE;
}

}  // namespace

void Emitter::branch(const Step& step) {
  compare(step, source(step));
  const CondCode condition = condition_of(step.cond);
  asm_.j(step.inverted ? negateCond(condition) : condition, label_of(step.target));
}

void Emitter::compare(const Step& step, const Source& with) {
  const Gp dst = sized(reg(step.dst), step.width);
  if (!with.imm) {
    const Gp other = sized(with.reg, step.width);
    return void(step.cond == Cond::jset ? asm_.test(dst, other) : asm_.cmp(dst, other));
  }
  if (step.cond == Cond::jset) return void(asm_.test(dst, with.value));
  if (with.value == 0) return void(asm_.test(dst, dst));
  asm_.cmp(dst, with.value);
}

// The callee's frame stands above the caller's.
void Emitter::call_function(const Step& step) {
  asm_.add(reg(isa::kFramePointer), static_cast<std::int32_t>(isa::kStackBytes));
  asm_.call(function_at(step.target));
  asm_.sub(reg(isa::kFramePointer), static_cast<std::int32_t>(isa::kStackBytes));
}

// The main function jumps to the program that comes after it. A subprogram calls it and returns what it returned, since
// it still has its caller's registers to give back. The target is data, so the jump is an indirect one.
void Emitter::tail_call(const Step& step) {
  const Label next = asm_.newLabel(), go = asm_.newLabel();
  asm_.mov(rdi, kCells);
  call(Service::tail_call);
  asm_.test(rax, rax);
  asm_.jnz(go);
  asm_.cmp(cell(offsetof(Cells, stop), 4), 0);
  asm_.je(next);
  asm_.jmp(leave_);
  asm_.bind(go);
  asm_.mov(reg(1), cell(offsetof(Cells, frame)));
  if (function_.is_main) {
    epilogue();
    asm_.jmp(rax);
  } else {
    asm_.call(rax);
    exit(step);
  }
  asm_.bind(next);
}

void Emitter::exit(const Step&) {
  epilogue();
  asm_.ret();
}

// Out of the program, from wherever it is: the stack goes back to where it was entered.
void Emitter::stop(Stop why) {
  asm_.mov(cell(offsetof(Cells, stopped_at), 4), at_);
  asm_.mov(cell(offsetof(Cells, stop), 4), static_cast<std::uint32_t>(why));
  asm_.jmp(leave_);
}

}  // namespace forager::jit::x86_64
