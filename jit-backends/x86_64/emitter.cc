// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/x86_64/emitter.h"

#include <cstddef>

namespace forager::jit::x86_64 {

using namespace asmjit::x86;

// uint64_t enter(Cells*, const void* function): saves what C++ wants saved, notes where to come back to for those who
// stop in the middle, and calls. A callback is entered from inside a helper: the place noted before is kept.
void Emitter::emit_enter() {
  const Gp preserved[] = {rbx, rbp, r12, r13, r14, r15};
  for (const Gp& each : preserved) asm_.push(each);
  asm_.mov(kCells, rdi);
  asm_.push(cell(offsetof(Cells, exit_stack)));
  asm_.mov(cell(offsetof(Cells, exit_stack)), rsp);
  asm_.mov(kScratch, rsi);
  for (unsigned i = 0; i < 5; ++i) asm_.mov(reg(i + 1), cell(offsetof(Cells, arguments) + 8 * i));
  asm_.mov(reg(isa::kFramePointer), cell(offsetof(Cells, frame_pointer)));
  asm_.call(kScratch);
  asm_.bind(leave_);
  asm_.mov(rsp, cell(offsetof(Cells, exit_stack)));
  asm_.pop(cell(offsetof(Cells, exit_stack)));
  for (auto each = std::rbegin(preserved); each != std::rend(preserved); ++each) asm_.pop(*each);
  asm_.ret();
}

// ---- frames --------------------------------------------------------------------------------------------------------

void Emitter::prologue() {
  for (const unsigned each : function_.saved) asm_.push(reg(each));
  padding_ = function_.calls && function_.saved.size() % 2 == 0 ? 8 : 0;
  if (padding_ != 0) asm_.sub(rsp, padding_);
  clear_frame(function_.cleared);
}

void Emitter::epilogue() {
  if (padding_ != 0) asm_.add(rsp, padding_);
  const auto& saved = function_.saved;
  for (auto each = saved.rbegin(); each != saved.rend(); ++each) asm_.pop(reg(*each));
}

void Emitter::clear_frame(const Cleared& range) {
  if (range.begin < range.end) asm_.xorps(xmm0, xmm0);
  for (std::uint32_t at = range.begin; at < range.end; at += 16) {
    asm_.movaps(xmmword_ptr(reg(isa::kFramePointer), static_cast<std::int32_t>(at - isa::kStackBytes)), xmm0);
  }
}

// A veneer is a jump by the address that stands beside it.
void Emitter::emit_data() {
  for (const Veneer& veneer : veneers_) {
    const Label address = asm_.newLabel();
    embed_address(address, veneer.symbol);
    asm_.bind(veneer.label);
    asm_.jmp(ptr(address, 0, 8));
  }
}

}  // namespace forager::jit::x86_64
