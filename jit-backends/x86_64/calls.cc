// SPDX-License-Identifier: Apache-2.0
//
// What a helper call is made of (common/helper_calls.h). Sockets are seen by programs from their view on.
#include <cstddef>

#include "jit-backends/x86_64/emitter.h"

namespace forager::jit::x86_64 {

using namespace asmjit::x86;

void Emitter::call_helper(const Step& step) { emit_helper_call(*this, step, program_.type()); }

void Emitter::call_with_run(const Symbol& symbol) {
  asm_.mov(rdi, cell(offsetof(Cells, run)));
  call(symbol);
}

// Callbacks have their frames above this one.
void Emitter::note_frame() { asm_.mov(cell(offsetof(Cells, frame_pointer)), reg(isa::kFramePointer)); }

void Emitter::pass_socket(unsigned number, bool nullable) {
  const Gp socket = reg(number);
  const Label null = asm_.newLabel();
  if (nullable) {
    asm_.test(socket, socket);
    asm_.jz(null);
  }
  asm_.sub(socket, kSocketView);
  asm_.bind(null);
}

void Emitter::take_socket() {
  const Label null = asm_.newLabel();
  asm_.test(rax, rax);
  asm_.jz(null);
  asm_.add(rax, kSocketView);
  asm_.bind(null);
}

// A callback of the program's was stopped, and the program with it.
void Emitter::leave_if_stopped() {
  asm_.cmp(cell(offsetof(Cells, stop), 4), 0);
  asm_.jne(leave_);
}

// The helper met what no verified program does.
void Emitter::stop_if_faulty() {
  const Label fault = asm_.newLabel();
  asm_.mov(kScratch, cell(offsetof(Cells, run)));
  asm_.cmp(qword_ptr(kScratch, static_cast<std::int32_t>(offsetof(exec::RunContext, fault))), 0);
  asm_.jne(fault);
  later([=, this] {
    asm_.bind(fault);
    stop(Stop::fault);
  });
}

// The packet may stand elsewhere now, and the socket may be another.
void Emitter::refresh() {
  asm_.mov(cell(offsetof(Cells, result)), rax);
  asm_.mov(rdi, kCells);
  call(Service::refresh);
  asm_.mov(rax, cell(offsetof(Cells, result)));
}

}  // namespace forager::jit::x86_64
