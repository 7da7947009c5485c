// SPDX-License-Identifier: Apache-2.0
//
// Helper calls. A helper is called as it is: r1 to r5 stand where the C++ function wants its second to sixth argument.
// What needs more are sockets, which programs see from their view on, and helpers after which something has to be
// looked at.
#include <cstddef>

#include "jit-backends/common/helper_calls.h"
#include "jit-backends/x86_64/emitter.h"

namespace forager::jit::x86_64 {

using namespace asmjit::x86;

void Emitter::call_helper(const Step& step) {
  const auto id = static_cast<std::uint32_t>(step.imm);
  const isa::HelperRow& helper = *isa::find_helper(id);
  pass_arguments(helper);
  asm_.mov(rdi, cell(offsetof(Cells, run)));
  if (id == static_cast<std::uint32_t>(exec::HelperId::map_lookup_elem)) {
    call(Service::look_up);
  } else {
    call({.kind = Symbol::Kind::helper, .index = id});
    if (returns_socket(helper)) take_socket();
  }
  check_after(helper);
  if (needs_refresh(helper)) refresh();
}

// ---- around a call -------------------------------------------------------------------------------------------------

void Emitter::pass_arguments(const isa::HelperRow& helper) {
  const auto arguments = isa::helper_args(helper, program_.type());
  for (unsigned i = 0; i < arguments.size(); ++i) {
    if (takes_socket(arguments[i])) pass_socket(reg(i + 1), arguments[i] == isa::Arg::socket_or_null);
  }
  if (calls_back(helper)) asm_.mov(cell(offsetof(Cells, frame_pointer)), reg(isa::kFramePointer));
}

void Emitter::pass_socket(const Gp& socket, bool nullable) {
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

// A program is stopped where a callback of its was, and by a helper that meets what no verified program does.
void Emitter::check_after(const isa::HelperRow& helper) {
  if (calls_back(helper)) {
    asm_.cmp(cell(offsetof(Cells, stop), 4), 0);
    asm_.jne(leave_);
  }
  if (!may_fault(helper)) return;
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
