// SPDX-License-Identifier: Apache-2.0
//
// Helpers that are done in place, because calling them would take longer than they do.
#include <cstddef>

#include "exec/random.h"
#include "jit-backends/arm64/emitter.h"

namespace forager::jit::arm64 {

using namespace asmjit::a64;

void Emitter::lane(const Step&) { asm_.ldr(w0, cell(offsetof(Cells, cpu))); }

void Emitter::random(const Step&) {
  using exec::SplitMix;
  asm_.ldr(kAddress, cell(offsetof(Cells, run)));
  const Mem state = operand(kAddress, offsetof(exec::RunContext, random_state), 8);
  asm_.ldr(x0, state);
  asm_.mov(kScratch, SplitMix::kStep);
  asm_.add(x0, x0, kScratch);
  asm_.str(x0, state);
  for (const auto& [shift, factor] :
       {std::pair{SplitMix::kShifts[0], SplitMix::kFirst}, std::pair{SplitMix::kShifts[1], SplitMix::kSecond}}) {
    asm_.eor(x0, x0, x0, lsr(shift));
    asm_.mov(kScratch, factor);
    asm_.mul(x0, x0, kScratch);
  }
  asm_.eor(x0, x0, x0, lsr(SplitMix::kShifts[2]));
  asm_.mov(w0, w0);
}

// RFC 1071: what is carried out comes back in, at any width; the result has 16 bits. What is taken away is added as its
// complement.
void Emitter::sum(const Step& step) {
  if (step.offset != 0) {
    asm_.mov(x0, 0);
    add_words(reg(1), step.offset);
    fold_to_32();
    asm_.mvn(kScratch2.w(), w0);
  }
  asm_.mov(w0, reg(5).w());
  if (step.offset != 0) asm_.add(x0, x0, kScratch2);
  add_words(reg(3), static_cast<std::int32_t>(step.imm));
  fold_to_32();
  for (int fold = 0; fold < 2; ++fold) {
    asm_.lsr(kScratch.w(), w0, 16);
    asm_.add(w0, kScratch.w(), w0, uxth(0));
  }
}

// To X0, where 32 bits and a carry are.
void Emitter::add_words(const Gp& from, std::int32_t bytes) {
  std::int32_t at = 0;
  if (bytes % 8 != 0) {
    asm_.ldr(kScratch.w(), ptr(from));
    asm_.add(x0, x0, kScratch);
    at = 4;
  }
  const bool words = at < bytes;
  for (bool first = true; at < bytes; at += 8, first = false) {
    asm_.ldr(kScratch, ptr(from, at));
    first ? asm_.adds(x0, x0, kScratch) : asm_.adcs(x0, x0, kScratch);
  }
  if (words) asm_.adc(x0, x0, xzr);
}

void Emitter::fold_to_32() {
  asm_.lsr(kScratch, x0, 32);
  asm_.adds(w0, w0, kScratch.w());
  asm_.adc(w0, w0, wzr);
}

}  // namespace forager::jit::arm64
