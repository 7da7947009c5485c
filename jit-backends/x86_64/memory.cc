// SPDX-License-Identifier: Apache-2.0
//
// Memory, context and packet. Pointers are addresses: what the verifier proved to be in bounds is accessed as it is.
#include <cstddef>

#include "jit-backends/common/features.h"
#include "jit-backends/x86_64/emitter.h"

namespace forager::jit::x86_64 {

using namespace asmjit::x86;

// The operand of an access. One that is not proved (programs of type raw_memory) has to lie in the memory that the
// program was given, or in its stack; its address is in kScratch3 then.
Emitter::Mem Emitter::address(const Step& step, const Gp& base) {
  std::int32_t offset = step.offset;
  const auto region = code_.facts(at_).access.region;
  if (region == verifier::Region::tcp_socket) {
    offset += static_cast<std::int32_t>(offsetof(exec::Socket, tcp)) -
              static_cast<std::int32_t>(offsetof(exec::Socket, view));
  }
  if (step.index != kNoIndex) return Mem(base, reg(step.index), 0, offset, step.bytes);
  if (!step.checked) return Mem(base, offset, step.bytes);
  const Label out = asm_.newLabel(), in = asm_.newLabel();
  asm_.lea(kScratch3, ptr(base, offset));
  asm_.cmp(kScratch3, cell(offsetof(Cells, packet)));
  asm_.jb(out);
  asm_.mov(kScratch, cell(offsetof(Cells, packet_end)));
  asm_.sub(kScratch, step.bytes);
  asm_.cmp(kScratch3, kScratch);
  asm_.ja(out);
  asm_.bind(in);
  later([=, this, bytes = step.bytes] {
    asm_.bind(out);
    asm_.lea(kScratch, cell(offsetof(Cells, stack)));
    asm_.neg(kScratch);
    asm_.add(kScratch, kScratch3);
    asm_.cmp(kScratch, static_cast<std::int32_t>(sizeof(Cells::stack) - bytes));
    asm_.jbe(in);
    stop(Stop::bounds);
  });
  return Mem(kScratch3, 0, step.bytes);
}

void Emitter::load(const Step& step) { load_from(reg(step.dst), address(step, reg(step.src)), step.bytes, step.sign); }

void Emitter::load_from(const Gp& to, Mem from, unsigned bytes, bool sign) {
  from.setSize(bytes);
  switch (bytes) {
    case 8:
      return void(asm_.mov(to, from));
    case 4:
      return void(sign ? asm_.movsxd(to, from) : asm_.mov(to.r32(), from));
    default:
      return void(sign ? asm_.movsx(to, from) : asm_.movzx(to.r32(), from));
  }
}

void Emitter::load_swapped(const Step& step) {
  const Gp dst = reg(step.dst);
  const Mem from = address(step, reg(step.src));
  if (step.bytes > 2 && has(Features::kMovbe)) {
    asm_.movbe(step.bytes == 8 ? dst : dst.r32(), from);
    return;
  }
  load_from(dst, from, step.bytes, false);
  if (step.bytes == 2) {
    asm_.rol(dst.r16(), 8);
  } else {
    swap_register(dst, step.bytes);
  }
}

void Emitter::store(const Step& step) {
  Step value = step;
  value.width = step.bytes == 8 ? 64 : 32;
  const Mem to = address(step, reg(step.dst));
  if (step.bytes == 16) {
    asm_.xorps(xmm0, xmm0);
    return void(asm_.movups(to, xmm0));
  }
  store_to(to, step.bytes, source(value));
}

void Emitter::store_to(Mem to, unsigned bytes, const Source& value) {
  to.setSize(bytes);
  if (value.imm) {
    const std::uint64_t mask = bytes >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * bytes)) - 1;
    const std::uint64_t low = static_cast<std::uint64_t>(value.value) & mask;
    asm_.mov(to, bytes == 8 ? asmjit::Imm(value.value) : asmjit::Imm(low));
    return;
  }
  switch (bytes) {
    case 8:
      return void(asm_.mov(to, value.reg));
    case 4:
      return void(asm_.mov(to, value.reg.r32()));
    case 2:
      return void(asm_.mov(to, value.reg.r16()));
    default:
      return void(asm_.mov(to, value.reg.r8()));
  }
}

// ---- atomics -------------------------------------------------------------------------------------------------------

void Emitter::atomic(const Step& step) {
  const Mem at = address(step, reg(step.dst));
  const Gp src = sized(reg(step.src), 8U * step.bytes);
  switch (step.atomic) {
    case Atomic::atomic_add:
      return void(asm_.lock().add(at, src));
    case Atomic::atomic_or:
      return void(asm_.lock().or_(at, src));
    case Atomic::atomic_and:
      return void(asm_.lock().and_(at, src));
    case Atomic::atomic_xor:
      return void(asm_.lock().xor_(at, src));
    case Atomic::atomic_fetch_add:
      return void(asm_.lock().xadd(at, src));
    case Atomic::atomic_xchg:
      return void(asm_.xchg(at, src));
    case Atomic::atomic_cmpxchg:
      asm_.lock().cmpxchg(at, src);
      if (step.bytes == 4) asm_.mov(eax, eax);  // it leaves the upper half alone where it stores
      return;
    default:
      return update_in_loop(step, at);
  }
}

// FETCH_OR, _AND and _XOR: CMPXCHG compares with RAX, which is r0.
void Emitter::update_in_loop(const Step& step, Mem at) {
  const unsigned bits = 8U * step.bytes;
  const Gp src = reg(step.src), operand = src == rax ? kScratch2 : src;
  const Gp fresh = sized(kScratch, bits), old = sized(rax, bits), by = sized(operand, bits);
  const Label again = asm_.newLabel();
  asm_.mov(kScratch2, rax);
  if (at.baseReg() == rax) at.setBase(kScratch2);
  asm_.mov(old, at);
  asm_.bind(again);
  asm_.mov(fresh, old);
  if (step.atomic == Atomic::atomic_fetch_or) asm_.or_(fresh, by);
  if (step.atomic == Atomic::atomic_fetch_and) asm_.and_(fresh, by);
  if (step.atomic == Atomic::atomic_fetch_xor) asm_.xor_(fresh, by);
  asm_.lock().cmpxchg(at, fresh);
  asm_.jne(again);
  if (src == rax) return;
  asm_.mov(sized(src, bits), old);
  asm_.mov(rax, kScratch2);
}

// ---- context -------------------------------------------------------------------------------------------------------

// Fields that are no numbers stand in cells of their own.
void Emitter::load_context(const Step& step) {
  const isa::ContextField* field = isa::find_field(*program_.context(), static_cast<std::uint32_t>(step.imm));
  const Gp dst = reg(step.dst);
  switch (field->kind) {
    case isa::FieldKind::packet:
      return void(asm_.mov(dst, cell(offsetof(Cells, packet))));
    case isa::FieldKind::packet_end:
      return void(asm_.mov(dst, cell(offsetof(Cells, packet_end))));
    case isa::FieldKind::packet_meta:
      return void(asm_.mov(dst, cell(offsetof(Cells, packet_meta))));
    case isa::FieldKind::socket:
    case isa::FieldKind::socket_or_null:
    case isa::FieldKind::socket_common_or_null:
      return void(asm_.mov(dst, cell(offsetof(Cells, socket))));
    default:
      break;
  }
  asm_.mov(kScratch3, cell(offsetof(Cells, context)));
  check_context(step.imm, step.bytes);
  load_from(dst, ptr(kScratch3, static_cast<std::int32_t>(step.imm)), step.bytes, step.sign);
}

// Records of events may be shorter than what the program type allows.
void Emitter::check_context(std::uint64_t offset, unsigned bytes) {
  if (program_.context()->size <= exec::kMaxContextBytes) return;
  const Label out = asm_.newLabel();
  asm_.lea(kScratch, ptr(kScratch3, static_cast<std::int32_t>(offset + bytes)));
  asm_.cmp(kScratch, cell(offsetof(Cells, context_end)));
  asm_.ja(out);
  later([=, this] {
    asm_.bind(out);
    stop(Stop::bounds);
  });
}

void Emitter::store_context(const Step& step) {
  Step value = step;
  value.width = step.bytes == 8 ? 64 : 32;
  value.imm = static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(step.target)));
  asm_.mov(kScratch3, cell(offsetof(Cells, context)));
  check_context(step.imm, step.bytes);
  store_to(ptr(kScratch3, static_cast<std::int32_t>(step.imm)), step.bytes, source(value));
  if (program_.context()->name != "__sk_buff") return;
  const Gp kept[] = {rax, rsi, rdx, rcx, r8, r9};
  for (const Gp& each : kept) asm_.push(each);
  asm_.mov(rdi, kCells);
  asm_.mov(esi, step.imm);
  call(Service::settle_store);
  for (auto each = std::rbegin(kept); each != std::rend(kept); ++each) asm_.pop(*each);
}

// Where the packet has no such bytes, the function ends and returns 0 (kernel/bpf/core.c).
void Emitter::load_packet(const Step& step) {
  if (step.has_imm) {
    asm_.mov(esi, static_cast<std::int32_t>(step.imm));
  } else {
    asm_.lea(esi, ptr(reg(step.src), static_cast<std::int32_t>(step.imm)));
  }
  asm_.mov(rdi, kCells);
  asm_.mov(edx, step.bytes);
  call(Service::load_packet);
  const Label out = asm_.newLabel();
  asm_.test(rax, rax);
  asm_.js(out);
  later([=, this] {
    asm_.bind(out);
    asm_.xor_(eax, eax);
    exit(step);
  });
}

}  // namespace forager::jit::x86_64
