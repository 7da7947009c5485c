// SPDX-License-Identifier: Apache-2.0
//
// Helper calls. A helper is called as it is: r1 to r5 stand where the C++ function wants its second to sixth argument.
// What needs more are sockets, which programs see from their view on, and helpers after which something has to be
// looked at.
#include <cstddef>

#include "exec/host_helpers.h"
#include "jit-backends/arm64/emitter.h"
#include "jit-backends/common/helper_calls.h"

namespace forager::jit::arm64 {

using namespace asmjit::a64;

void Emitter::call_helper(const Step& step) {
  const auto id = static_cast<std::uint32_t>(step.imm);
  const isa::HelperRow& helper = *isa::find_helper(id);
  pass_arguments(helper);
  asm_.ldr(x0, cell(offsetof(Cells, run)));
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
  if (calls_back(helper)) asm_.str(reg(isa::kFramePointer), cell(offsetof(Cells, frame_pointer)));
}

void Emitter::pass_socket(const Gp& socket, bool nullable) {
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

// A program is stopped where a callback of its was, and by a helper that meets what no verified program does.
void Emitter::check_after(const isa::HelperRow& helper) {
  if (calls_back(helper)) {
    asm_.ldr(kScratch.w(), cell(offsetof(Cells, stop)));
    go_if_set(kScratch.w(), leave_);
  }
  if (!may_fault(helper)) return;
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
