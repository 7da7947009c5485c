// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic with pointers (Linux adjust_ptr_min_max_vals): numbers are added to and subtracted from pointers into
// memory; what else is done with a pointer either yields a meaningless number or is refused.
#include <cerrno>

#include "verifier/analysis.h"

namespace forager::verifier {
namespace {

bool keeps_arithmetic(RegType type) {
  switch (type) {
    case RegType::context:
    case RegType::map_value:
    case RegType::map_key:
    case RegType::stack:
    case RegType::packet:
    case RegType::packet_meta:
    case RegType::memory:
    case RegType::raw:
    case RegType::object:
    case RegType::function:
    case RegType::dynptr:
    case RegType::buffer:
      return true;
    default:
      return false;
  }
}

std::string_view symbol(Alu op) {
  switch (op) {
    case Alu::bit_and:
      return "&=";
    case Alu::bit_or:
      return "|=";
    case Alu::bit_xor:
      return "^=";
    default:
      return {};
  }
}

bool outside(s64 value) { return value >= kMaxOffset || value <= -kMaxOffset; }

constexpr const char* kCheckFirst =
    "check or mask the number before it is added: if (x < N), or x &= N - 1, on an unsigned x";

}  // namespace

// One of the operands is a pointer.
Reg Analysis::with_pointer(const Instruction& insn, const AluForm& form, const Reg& before, const Reg& src) {
  const bool by_register = isa::row(insn.op).form == isa::Form::alu_reg;
  const bool both = before.is_pointer() && src.is_pointer();

  if (both && form.op == Alu::sub) return scalar_reg();
  if (both) {
    refuse(EACCES, fmt::format("R{} pointer {} pointer prohibited: {} and {} cannot be combined", insn.dst,
                               isa::row(insn.op).symbol, say(before), say(src)));
  }
  if (!before.is_pointer()) {
    mark_precise(insn.dst);
  } else if (by_register) {
    mark_precise(insn.src);
  }
  if (form.width == 32) {
    if (form.op == Alu::sub) return scalar_reg();  // a number without meaning
    refuse(EACCES, fmt::format("R{} 32-bit pointer arithmetic prohibited: it would cut {} in half", insn.dst,
                               say(before.is_pointer() ? before : src)));
  }
  if (before.is_pointer()) return moved_pointer(insn, form.op, before, src);
  if (form.op == Alu::sub) refuse(EACCES, fmt::format("R{} tried to subtract pointer from scalar", insn.dst));
  return moved_pointer(insn, form.op, src, before);
}

Reg Analysis::moved_pointer(const Instruction& insn, Alu op, const Reg& pointer, const Reg& amount) {
  const Scalar& by = amount.scalar;
  const bool known = by.is_constant();
  if (pointer.maybe_null) {
    refuse(EACCES,
           fmt::format("R{} pointer arithmetic on {} prohibited, null-check it first: it is {}", insn.dst,
                       type_name(pointer), say(pointer)),
           "compare it with NULL, and use it only where it is not");
  }
  const bool nothing = known && by.value() == 0 && op == Alu::add && pointer.type == RegType::map;
  const bool fixed = known && pointer.type == RegType::flow_keys;
  if (!keeps_arithmetic(pointer.type) && !nothing && !fixed) {
    refuse(EACCES, fmt::format("R{} pointer arithmetic on {} prohibited: {} is used as it is", insn.dst,
                               type_name(pointer), say(pointer)));
  }
  check_sane_offset(amount, pointer);
  check_sane_offset(pointer, pointer);
  if (op != Alu::add && op != Alu::sub) {
    refuse(EACCES,
           symbol(op).empty()
               ? fmt::format("R{} pointer arithmetic with {} operator prohibited", insn.dst, isa::row(insn.op).symbol)
               : fmt::format("R{} bitwise operator {} on pointer prohibited", insn.dst, symbol(op)));
  }
  if (op == Alu::sub && pointer.type == RegType::stack) {
    refuse(EACCES, fmt::format("R{} subtraction from stack pointer prohibited", insn.dst),
           "add a negative constant instead");
  }
  Reg out = pointer;
  const s64 constant = static_cast<s64>(by.value());
  const s64 whole = op == Alu::add ? pointer.offset + constant : pointer.offset - constant;
  if (known && whole == static_cast<s32>(whole)) {
    out.offset = static_cast<s32>(whole);
  } else {
    out.scalar = alu(op, 64, pointer.scalar, by);
    // Another variable part: what was proved of bytes behind the pointer holds only if it moved back.
    if (pointer.is_packet()) {
      out.id = next_id();
      if (op == Alu::add || by.s.min < 0) out.range = 0;
    }
  }
  // That this very address is at the packet's end, or beyond, says nothing of another one. (Linux 6.18 keeps it.)
  if (out.is_packet() && out.range < 0 && (!known || by.value() != 0)) out.range = 0;
  check_sane_offset(out, pointer);
  return out;
}

void Analysis::check_sane_offset(const Reg& reg, const Reg& pointer) {
  const Scalar& s = reg.scalar;
  const s64 fixed = reg.is_scalar() ? 0 : reg.offset;
  if (!outside(fixed) && !outside(s.s.min)) return;
  const std::string name = type_name(pointer);
  if (s.is_constant() && outside(static_cast<s64>(s.value()))) {
    refuse(EINVAL, fmt::format("math between {} pointer and {} is not allowed: no object is that large", name,
                               static_cast<s64>(s.value())));
  }
  if (outside(fixed)) refuse(EINVAL, fmt::format("{} pointer offset {} is not allowed", name, fixed));
  if (s.s.min == Limits<s64>::min()) {
    refuse(EINVAL,
           fmt::format("math between {} pointer and register with unbounded min value is not allowed: the number added "
                       "may be anything down to {}",
                       name, s.s.min),
           kCheckFirst);
  }
  refuse(EINVAL, fmt::format("value {} makes {} pointer be out of bounds", s.s.min, name), kCheckFirst);
}

}  // namespace forager::verifier
