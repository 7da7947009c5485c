// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/arm64/emitter.h"

#include <cstddef>

namespace forager::jit::arm64 {

using namespace asmjit::a64;

namespace {

constexpr std::int32_t kRecordBytes = 16;  // X29 and X30

}  // namespace

// uint64_t enter(Cells*, const void* function): saves what C++ wants saved, notes where to come back to for those who
// stop in the middle, and calls. A callback is entered from inside a helper: the place noted before is kept. Of the
// registers that C++ preserves only those are saved that code uses; the others are as they were wherever it stops.
void Emitter::emit_enter() {
  constexpr std::int32_t kKeptAt = 64, kBytes = 80;
  asm_.stp(x29, x30, ptr_pre(sp, -kBytes));
  asm_.stp(x19, x20, ptr(sp, 16));
  asm_.stp(x21, x22, ptr(sp, 32));
  asm_.stp(x25, x26, ptr(sp, 48));
  asm_.mov(x29, sp);
  asm_.mov(kCells, x0);
  asm_.ldr(kScratch, cell(offsetof(Cells, exit_stack)));
  asm_.str(kScratch, ptr(sp, kKeptAt));
  asm_.str(x29, cell(offsetof(Cells, exit_stack)));
  asm_.mov(kScratch, x1);
  for (unsigned i = 0; i < 5; ++i) asm_.ldr(reg(i + 1), cell(offsetof(Cells, arguments) + 8 * i));
  asm_.ldr(reg(isa::kFramePointer), cell(offsetof(Cells, frame_pointer)));
  asm_.blr(kScratch);
  asm_.bind(leave_);
  asm_.ldr(kScratch, cell(offsetof(Cells, exit_stack)));
  asm_.mov(sp, kScratch);
  asm_.ldr(kScratch, ptr(sp, kKeptAt));
  asm_.str(kScratch, cell(offsetof(Cells, exit_stack)));
  asm_.ldp(x25, x26, ptr(sp, 48));
  asm_.ldp(x21, x22, ptr(sp, 32));
  asm_.ldp(x19, x20, ptr(sp, 16));
  asm_.ldp(x29, x30, ptr_post(sp, kBytes));
  asm_.ret(x30);
}

// ---- frames --------------------------------------------------------------------------------------------------------

std::int32_t Emitter::frame_bytes() const {
  const auto saved = static_cast<std::int32_t>((function_.saved.size() + 1) / 2 * 16);
  return saved + (function_.calls ? kRecordBytes : 0);
}

void Emitter::prologue() {
  if (function_.calls) {
    asm_.stp(x29, x30, ptr_pre(sp, -frame_bytes()));
    asm_.mov(x29, sp);
  } else if (frame_bytes() != 0) {
    asm_.sub(sp, sp, frame_bytes());
  }
  const auto& saved = function_.saved;
  std::int32_t at = function_.calls ? kRecordBytes : 0;
  for (std::size_t i = 0; i < saved.size(); i += 2, at += 16) {
    const bool pair = i + 1 < saved.size();
    asm_.stp(reg(saved[i]), pair ? reg(saved[i + 1]) : Gp(xzr), ptr(sp, at));
  }
  clear_frame(function_.cleared);
}

void Emitter::epilogue() {
  const auto& saved = function_.saved;
  std::int32_t at = function_.calls ? kRecordBytes : 0;
  for (std::size_t i = 0; i < saved.size(); i += 2, at += 16) {
    const bool pair = i + 1 < saved.size();
    asm_.ldp(reg(saved[i]), pair ? reg(saved[i + 1]) : Gp(xzr), ptr(sp, at));
  }
  if (function_.calls) {
    asm_.ldp(x29, x30, ptr_post(sp, frame_bytes()));
  } else if (frame_bytes() != 0) {
    asm_.add(sp, sp, frame_bytes());
  }
}

void Emitter::clear_frame(const Cleared& range) {
  for (std::uint32_t at = range.begin; at < range.end; at += 16) {
    asm_.stp(xzr, xzr, ptr(reg(isa::kFramePointer), static_cast<std::int32_t>(at - isa::kStackBytes)));
  }
}

// A veneer is a jump by the address that stands beside it.
void Emitter::emit_data() {
  for (const Veneer& veneer : veneers_) {
    const Label address = asm_.newLabel();
    asm_.bind(veneer.label);
    asm_.ldr(kVeneer, ptr(address));
    asm_.br(kVeneer);
    embed_address(address, veneer.symbol);
  }
  for (const Literal& literal : literals_) embed_address(literal.label, literal.symbol, literal.addend);
}

}  // namespace forager::jit::arm64
