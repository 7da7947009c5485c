// SPDX-License-Identifier: Apache-2.0
//
// Helpers that are done in place, because calling them would take longer than they do.
#include <cstddef>

#include "exec/random.h"
#include "jit-backends/x86_64/emitter.h"

namespace forager::jit::x86_64 {

using namespace asmjit::x86;

void Emitter::lane(const Step&) { asm_.mov(eax, cell(offsetof(Cells, cpu), 4)); }

void Emitter::random(const Step&) {
  using exec::SplitMix;
  const Mem state(kScratch3, static_cast<std::int32_t>(offsetof(exec::RunContext, random_state)), 8);
  asm_.mov(kScratch3, cell(offsetof(Cells, run)));
  asm_.mov(rax, SplitMix::kStep);
  asm_.add(rax, state);
  asm_.mov(state, rax);
  for (const auto& [shift, factor] :
       {std::pair{SplitMix::kShifts[0], SplitMix::kFirst}, std::pair{SplitMix::kShifts[1], SplitMix::kSecond}}) {
    asm_.mov(kScratch, rax);
    asm_.shr(kScratch, shift);
    asm_.xor_(rax, kScratch);
    asm_.mov(kScratch, factor);
    asm_.imul(rax, kScratch);
  }
  asm_.mov(kScratch, rax);
  asm_.shr(kScratch, SplitMix::kShifts[2]);
  asm_.xor_(eax, kScratch.r32());
}

// RFC 1071: what is carried out comes back in, at any width; the result has 16 bits. What is taken away is added as its
// complement.
void Emitter::sum(const Step& step) {
  if (step.offset != 0) {
    asm_.xor_(eax, eax);
    add_words(reg(1), step.offset);
    fold_to_32();
    asm_.not_(eax);
    asm_.mov(kScratch2.r32(), eax);
  }
  asm_.mov(eax, reg(5).r32());
  if (step.offset != 0) asm_.add(rax, kScratch2);
  add_words(reg(3), static_cast<std::int32_t>(step.imm));
  fold_to_32();
  for (int fold = 0; fold < 2; ++fold) {
    asm_.mov(kScratch.r32(), eax);
    asm_.shr(kScratch.r32(), 16);
    asm_.movzx(eax, ax);
    asm_.add(eax, kScratch.r32());
  }
}

// To RAX, where 32 bits and a carry are.
void Emitter::add_words(const Gp& from, std::int32_t bytes) {
  std::int32_t at = 0;
  if (bytes % 8 != 0) {
    asm_.mov(kScratch.r32(), dword_ptr(from));
    asm_.add(rax, kScratch);
    at = 4;
  }
  const bool words = at < bytes;
  for (bool first = true; at < bytes; at += 8, first = false) {
    first ? asm_.add(rax, qword_ptr(from, at)) : asm_.adc(rax, qword_ptr(from, at));
  }
  if (words) asm_.adc(rax, 0);
}

void Emitter::fold_to_32() {
  asm_.mov(kScratch, rax);
  asm_.shr(kScratch, 32);
  asm_.add(eax, kScratch.r32());
  asm_.adc(eax, 0);
}

}  // namespace forager::jit::x86_64
