// SPDX-License-Identifier: Apache-2.0
//
// What a helper call is made of (common/helper_calls.h). Sockets are seen by programs from their view on.
#include <cstddef>

#include "jit-backends/arm64/emitter.h"

namespace forager::jit::arm64 {

using namespace asmjit::a64;

void Emitter::call_helper(const Step& step) { emit_helper_call(*this, step, program_.type()); }

void Emitter::call_with_run(const Symbol& symbol) {
  asm_.ldr(x0, cell(offsetof(Cells, run)));
  call(symbol);
}

// Callbacks have their frames above this one.
void Emitter::note_frame() { asm_.str(reg(isa::kFramePointer), cell(offsetof(Cells, frame_pointer))); }

void Emitter::pass_socket(unsigned number, bool nullable) {
  const Gp socket = reg(number);
  const Label null = asm_.newLabel();
  if (nullable) asm_.cbz(socket, null);
  add_constant(socket, socket, -kSocketView);
  asm_.bind(null);
}

void Emitter::take_socket() {
  const Label null = asm_.newLabel();
  asm_.cbz(x0, null);
  add_constant(x0, x0, kSocketView);
  asm_.bind(null);
}

// A callback of the program's was stopped, and the program with it.
void Emitter::leave_if_stopped() {
  asm_.ldr(kScratch.w(), cell(offsetof(Cells, stop)));
  go_if_set(kScratch.w(), leave_);
}

// The helper met what no verified program does.
void Emitter::stop_if_faulty() {
  const Label fault = asm_.newLabel();
  asm_.ldr(kScratch, cell(offsetof(Cells, run)));
  asm_.ldr(kScratch, operand(kScratch, offsetof(exec::RunContext, fault), 8));
  go_if_set(kScratch, fault);
  later([=, this] {
    asm_.bind(fault);
    stop(Stop::fault);
  });
}

// The packet may stand elsewhere now, and the socket may be another.
void Emitter::refresh() {
  asm_.str(x0, cell(offsetof(Cells, result)));
  asm_.mov(x0, kCells);
  call(Service::refresh);
  asm_.ldr(x0, cell(offsetof(Cells, result)));
}

}  // namespace forager::jit::arm64
