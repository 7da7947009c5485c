// SPDX-License-Identifier: Apache-2.0
//
// Memory. Pointers are addresses: what the verifier proved to be in bounds is accessed as it is.
#include <cstddef>

#include "jit-backends/arm64/emitter.h"

namespace forager::jit::arm64 {

using namespace asmjit::a64;

namespace {

// An access has room for a multiple of its size up to 4095 times that, or for any number of 9 bits.
bool fits(std::int64_t offset, unsigned bytes) {
  const bool scaled = offset >= 0 && offset % bytes == 0 && offset / bytes <= 4095;
  return scaled || (offset >= -256 && offset <= 255);
}

}  // namespace

// Where the offset does not fit, the address is in kAddress.
Emitter::Mem Emitter::operand(const Gp& base, std::int64_t offset, unsigned bytes) {
  if (fits(offset, bytes)) return ptr(base, static_cast<std::int32_t>(offset));
  add_constant(kAddress, base, offset);
  return ptr(kAddress);
}

Emitter::Mem Emitter::address(const Step& step, const Gp& base) {
  std::int64_t offset = step.offset;
  if (code_.facts(at_).access.region == verifier::Region::tcp_socket) {
    offset += static_cast<std::int64_t>(offsetof(exec::Socket, tcp)) -
              static_cast<std::int64_t>(offsetof(exec::Socket, view));
  }
  if (step.index != kNoIndex && offset == 0) return ptr(base, reg(step.index));
  if (step.index != kNoIndex) {
    asm_.add(kAddress, base, reg(step.index));
    return operand(kAddress, offset, step.bytes);
  }
  return step.checked ? checked_address(base, offset, step.bytes) : operand(base, offset, step.bytes);
}

// An access that is not proved (programs of type raw_memory) has to lie in the memory that the program was given, or in
// its stack.
Emitter::Mem Emitter::checked_address(const Gp& base, std::int64_t offset, unsigned bytes) {
  const Label out = asm_.newLabel(), in = asm_.newLabel();
  add_constant(kAddress, base, offset);
  asm_.ldr(kScratch, cell(offsetof(Cells, packet)));
  asm_.cmp(kAddress, kScratch);
  go_if(CondCode::kLO, out);
  asm_.ldr(kScratch, cell(offsetof(Cells, packet_end)));
  asm_.sub(kScratch, kScratch, bytes);
  asm_.cmp(kAddress, kScratch);
  go_if(CondCode::kHI, out);
  asm_.bind(in);
  later([=, this] {
    asm_.bind(out);
    add_constant(kScratch, kCells, offsetof(Cells, stack));
    asm_.sub(kScratch, kAddress, kScratch);
    compare_constant(kScratch, static_cast<std::int64_t>(sizeof(Cells::stack) - bytes));
    go_if(CondCode::kLS, in);
    stop(Stop::bounds);
  });
  return ptr(kAddress);
}

void Emitter::load(const Step& step) { load_from(reg(step.dst), address(step, reg(step.src)), step.bytes, step.sign); }

void Emitter::load_from(const Gp& to, const Mem& from, unsigned bytes, bool sign) {
  switch (bytes) {
    case 8:
      return void(asm_.ldr(to, from));
    case 4:
      return void(sign ? asm_.ldrsw(to, from) : asm_.ldr(to.w(), from));
    case 2:
      return void(sign ? asm_.ldrsh(to, from) : asm_.ldrh(to.w(), from));
    default:
      return void(sign ? asm_.ldrsb(to, from) : asm_.ldrb(to.w(), from));
  }
}

void Emitter::load_swapped(const Step& step) {
  const Gp dst = sized(reg(step.dst), step.bytes == 8 ? 64 : 32);
  load_from(reg(step.dst), address(step, reg(step.src)), step.bytes, false);
  step.bytes == 2 ? asm_.rev16(dst, dst) : asm_.rev(dst, dst);
}

void Emitter::store(const Step& step) {
  if (step.bytes == 16) return store_zeros(step);
  Step value = step;
  value.width = step.bytes == 8 ? 64 : 32;
  const Mem to = address(step, reg(step.dst));
  store_to(to, step.bytes, in_register(source(value), value.width));
}

// A pair has room for multiples of 8 below 512.
void Emitter::store_zeros(const Step& step) {
  const Gp base = reg(step.dst);
  const bool fits_pair = step.offset % 8 == 0 && step.offset >= -512 && step.offset <= 504;
  if (!fits_pair) add_constant(kAddress, base, step.offset);
  asm_.stp(xzr, xzr, fits_pair ? ptr(base, step.offset) : ptr(kAddress));
}

void Emitter::store_to(const Mem& to, unsigned bytes, const Gp& value) {
  switch (bytes) {
    case 8:
    case 4:
      return void(asm_.str(value, to));
    case 2:
      return void(asm_.strh(value, to));
    default:
      return void(asm_.strb(value, to));
  }
}

}  // namespace forager::jit::arm64
