// SPDX-License-Identifier: Apache-2.0
//
// The context's fields, and the packet through LD_ABS and LD_IND.
#include <cstddef>

#include "jit-backends/arm64/emitter.h"

namespace forager::jit::arm64 {

using namespace asmjit::a64;

// Fields that are no numbers stand in cells of their own.
void Emitter::load_context(const Step& step) {
  const isa::ContextField* field = isa::find_field(*program_.context(), static_cast<std::uint32_t>(step.imm));
  const Gp dst = reg(step.dst);
  switch (field->kind) {
    case isa::FieldKind::packet:
      return void(asm_.ldr(dst, cell(offsetof(Cells, packet))));
    case isa::FieldKind::packet_end:
      return void(asm_.ldr(dst, cell(offsetof(Cells, packet_end))));
    case isa::FieldKind::packet_meta:
      return void(asm_.ldr(dst, cell(offsetof(Cells, packet_meta))));
    case isa::FieldKind::socket:
    case isa::FieldKind::socket_or_null:
    case isa::FieldKind::socket_common_or_null:
      return void(asm_.ldr(dst, cell(offsetof(Cells, socket))));
    default:
      return load_from(dst, context_field(step.imm, step.bytes), step.bytes, step.sign);
  }
}

// Records of events may be shorter than what the program type allows.
Emitter::Mem Emitter::context_field(std::uint64_t offset, unsigned bytes) {
  const auto at = static_cast<std::int64_t>(offset);
  asm_.ldr(kAddress, cell(offsetof(Cells, context)));
  if (program_.context()->size > exec::kMaxContextBytes) {
    const Label out = asm_.newLabel();
    add_constant(kScratch, kAddress, at + bytes);
    asm_.ldr(kScratch2, cell(offsetof(Cells, context_end)));
    asm_.cmp(kScratch, kScratch2);
    go_if(CondCode::kHI, out);
    later([=, this] {
      asm_.bind(out);
      stop(Stop::bounds);
    });
  }
  return operand(kAddress, at, bytes);
}

void Emitter::store_context(const Step& step) {
  Step value = step;
  value.width = step.bytes == 8 ? 64 : 32;
  value.imm = static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(step.target)));
  const Mem to = context_field(step.imm, step.bytes);
  store_to(to, step.bytes, in_register(source(value), value.width));
  if (program_.context()->name == "__sk_buff") settle_store(step.imm);
}

// The program does not know that something is called.
void Emitter::settle_store(std::uint64_t offset) {
  asm_.stp(x0, x1, ptr_pre(sp, -48));
  asm_.stp(x2, x3, ptr(sp, 16));
  asm_.stp(x4, x5, ptr(sp, 32));
  asm_.mov(x1, offset);
  asm_.mov(x0, kCells);
  call(Service::settle_store);
  asm_.ldp(x4, x5, ptr(sp, 32));
  asm_.ldp(x2, x3, ptr(sp, 16));
  asm_.ldp(x0, x1, ptr_post(sp, 48));
}

// Where the packet has no such bytes, the function ends and returns 0 (kernel/bpf/core.c).
void Emitter::load_packet(const Step& step) {
  const auto index = static_cast<std::int32_t>(step.imm);
  if (step.has_imm) {
    asm_.mov(w1, index);
  } else {
    add_constant(w1, reg(step.src).w(), index);
  }
  asm_.mov(w2, step.bytes);
  asm_.mov(x0, kCells);
  call(Service::load_packet);
  const Label out = asm_.newLabel();
  asm_.cmp(x0, 0);
  go_if(CondCode::kLT, out);
  later([=, this] {
    asm_.bind(out);
    asm_.mov(x0, 0);
    exit(step);
  });
}

}  // namespace forager::jit::arm64
