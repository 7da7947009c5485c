// SPDX-License-Identifier: Apache-2.0
//
// ALU instructions and 64-bit immediates: numbers by scalar_alu.cc, pointers by the rules here (Linux check_alu_op and
// adjust_ptr_min_max_vals).
#include <cerrno>

#include "program/text.h"
#include "verifier/analysis.h"

namespace forager::verifier {

using isa::Form;
using isa::MapType;

namespace {

enum class Shape : std::uint8_t { none, alu, move, sign_extend, negate, swap };

// What an ALU instruction is, read off isa.def.
struct AluForm {
  Shape shape = Shape::none;
  Alu op{};
  std::uint8_t width = 64;  // of the operation
  std::uint8_t bytes = 8;   // sign extension: of the source; swaps: kept
  bool reverses = false;    // swaps: the bytes' order
};

constexpr auto kForms = [] {
  std::array<AluForm, 256> forms{};
  const auto set = [&](Op op, AluForm form) { forms[static_cast<std::size_t>(op)] = form; };
#define FORAGER_ALU(name, ...)                                                                               \
  for (const Op op : {Op::name##64_imm, Op::name##64_reg, Op::name##32_imm, Op::name##32_reg}) {             \
    const bool wide = op == Op::name##64_imm || op == Op::name##64_reg;                                      \
    set(op, {Alu::name == Alu::mov ? Shape::move : Shape::alu, Alu::name, std::uint8_t(wide ? 64 : 32), 8}); \
  }
#define FORAGER_MOVSX(name, width, bits, expr) set(Op::name, {Shape::sign_extend, Alu::mov, width, (bits) / 8});
#define FORAGER_UNARY(name, mnemonic, opcode, imm, width, expr) \
  set(Op::name,                                                 \
      {(imm) == 0 ? Shape::negate : Shape::swap, Alu::sub, width, (imm) / 8, std::string_view(mnemonic)[0] == 'b'});
#include "isa/isa.def"
  return forms;
}();

const AluForm& form_of(Op op) { return kForms[static_cast<std::size_t>(op)]; }

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

bool contradicts(const Scalar& s) { return s.u.min > s.u.max || s.s.min > s.s.max; }

}  // namespace

// Copies of a number share an identity, so that what is learnt of one holds for the others.
void Analysis::link_on_copy(Reg& reg) {
  if (!reg.is_scalar() || reg.scalar.is_constant()) return;
  if (reg.delta != Delta::none) unlink(reg);
  if (reg.id == 0) reg.id = next_id();
}

// "copy += constant" still tells of the original; in 32 bits, if the original fits them.
void Analysis::link_shifted(Reg& result, Alu op, unsigned width, const Reg& before, const Scalar& by) {
  const bool constant = width == 64 ? by.is_constant() : by.is_constant32();
  if ((op != Alu::add && op != Alu::sub) || !constant || before.id == 0 || before.delta != Delta::none) return;
  if (width == 32 && before.scalar.u.max > Limits<u32>::max()) return;
  s64 delta = width == 64 ? static_cast<s64>(by.value()) : static_cast<s32>(by.bits.value);
  if (delta <= Limits<s32>::min() || delta > Limits<s32>::max()) return;
  if (op == Alu::sub) delta = -delta;
  result.id = before.id;
  result.delta = width == 64 ? Delta::wide : Delta::half;
  result.offset = static_cast<s32>(delta);
}

void Analysis::move(const Instruction& insn) {
  Reg& dst = state_.regs()[insn.dst];
  dst = {};
  switch (insn.op) {
    case Op::lddw:
      dst = constant_reg(insn.imm);
      return;
    case Op::lddw_map_idx:
      dst.type = RegType::map;
      dst.map = program::map_index(insn);
      recorder_.map_touched(dst, Recorder::MapTouch::look);
      return;
    case Op::lddw_map_idx_value: {
      const u32 map = program::map_index(insn), offset = program::map_offset(insn);
      const MapSpec& spec = program_.maps()[map];
      if (spec.type != MapType::array || spec.max_entries != 1) {
        refuse(EINVAL, fmt::format("direct value access on map '{}' is not supported: it needs an array of one entry",
                                   spec.name));
      }
      if (offset >= spec.value_size) {
        refuse(EINVAL,
               fmt::format("invalid access to map value pointer, value_size={} off={}", spec.value_size, offset));
      }
      dst.type = RegType::map_value;
      dst.map = map;
      dst.offset = static_cast<s32>(offset);

      recorder_.map_touched(dst, Recorder::MapTouch::look);
      return;
    }
    case Op::lddw_func: {
      const u32 sub = program_.subprogram_of(insn.target);
      if (structure_.subprograms[sub].global) {
        refuse(EINVAL, "a callback function must be static", "declare the callback static");
      }
      dst.type = RegType::function;
      dst.map = sub;
      return;
    }
    default:
      refuse(EINVAL, "a 64-bit immediate that nothing resolved");
  }
}

void Analysis::arithmetic(const Instruction& insn) {
  const AluForm& form = form_of(insn.op);
  const bool by_register = isa::row(insn.op).form == Form::alu_reg;
  const Reg src = by_register ? read_reg(insn.src) : constant_reg(insn.imm);
  Reg& dst = state_.regs()[insn.dst];
  if (form.shape == Shape::move) {
    if (!by_register) {
      dst = constant_reg(form.width == 64 ? insn.imm : static_cast<u32>(insn.imm));
      return;
    }
    Reg copied = src;
    if (form.width == 64) {
      link_on_copy(state_.regs()[insn.src]);
      dst = state_.regs()[insn.src];
      return;
    }
    if (src.is_pointer()) {  // half of a pointer is a number like any other
      dst = scalar_reg(Scalar::loaded(4, false));
      return;
    }
    // A number that fits 32 bits is still itself.
    if (src.scalar.u.max <= Limits<u32>::max()) {
      link_on_copy(state_.regs()[insn.src]);
      copied = state_.regs()[insn.src];
    } else {
      unlink(copied);
    }
    copied.scalar.truncate(4);
    dst = copied;
    return;
  }
  if (form.shape == Shape::sign_extend) {
    if (src.is_pointer()) {
      dst = scalar_reg(form.width == 64 ? Scalar{} : Scalar::loaded(4, false));
      return;
    }
    const s64 highest = (s64{1} << (form.bytes * 8 - 1)) - 1;
    Reg copied = src;
    const bool same = form.width == 64 && src.scalar.s.min >= 0 && src.scalar.s.max <= highest;
    if (same) {
      link_on_copy(state_.regs()[insn.src]);
      copied = state_.regs()[insn.src];
    } else {
      copied = scalar_reg(src.scalar);
    }
    copied.scalar.sign_extend(form.bytes);
    if (form.width == 32) copied.scalar.truncate(4);
    dst = copied;
    return;
  }
  const Reg before = read_reg(insn.dst);
  if (form.shape == Shape::negate || form.shape == Shape::swap) {
    if (!before.is_scalar()) {
      dst = scalar_reg();
    } else if (form.shape == Shape::negate) {
      dst = scalar_reg(alu(Alu::sub, form.width, Scalar::constant(0), before.scalar));
    } else {
      dst = scalar_reg(swap_bytes(before.scalar, form.bytes, form.reverses));
    }
    return;
  }
  // Two numbers.
  if (before.is_scalar() && src.is_scalar()) {
    dst = scalar_reg(alu(form.op, form.width, before.scalar, src.scalar));
    link_shifted(dst, form.op, form.width, before, src.scalar);
    return;
  }
  if (before.is_pointer() && src.is_pointer()) {
    if (form.op == Alu::sub) {
      dst = scalar_reg(form.width == 64 ? Scalar{} : Scalar::loaded(4, false));
      return;
    }
    refuse(EACCES, fmt::format("R{} pointer {} pointer prohibited: {} and {} cannot be combined", insn.dst,
                               isa::row(insn.op).symbol, say(before), say(src)));
  }
  if (!before.is_pointer()) {
    mark_precise(insn.dst);
  } else if (by_register) {
    mark_precise(insn.src);
  }
  if (form.width == 32) {
    if (form.op == Alu::sub) {  // a number without meaning
      dst = scalar_reg(Scalar::loaded(4, false));
      return;
    }
    refuse(EACCES, fmt::format("R{} 32-bit pointer arithmetic prohibited: it would cut {} in half", insn.dst,
                               say(before.is_pointer() ? before : src)));
  }
  if (before.is_pointer()) {
    pointer_arithmetic(insn, form.op, before, src);
  } else {
    if (form.op == Alu::sub) refuse(EACCES, fmt::format("R{} tried to subtract pointer from scalar", insn.dst));
    pointer_arithmetic(insn, form.op, src, before);
  }
}

void Analysis::check_sane_offset(const Reg& reg, const Reg& pointer) {
  const Scalar& s = reg.scalar;
  const std::string name = type_name(pointer);
  const auto outside = [](s64 value) { return value >= kMaxOffset || value <= -kMaxOffset; };
  if (s.is_constant() && outside(static_cast<s64>(s.value()))) {
    refuse(EINVAL, fmt::format("math between {} pointer and {} is not allowed", name, static_cast<s64>(s.value())));
  }
  if (outside(reg.is_scalar() ? 0 : reg.offset)) {
    refuse(EINVAL, fmt::format("{} pointer offset {} is not allowed", name, reg.offset));
  }
  if (s.s.min == Limits<s64>::min()) {
    refuse(EINVAL,
           fmt::format("math between {} pointer and register with unbounded min value is not allowed: the number added "
                       "may be anything down to {}",
                       name, s.s.min),
           "check or mask the number before it is added: if (x < N), or x &= N - 1, on an unsigned x");
  }
  if (outside(s.s.min)) {
    refuse(EINVAL, fmt::format("value {} makes {} pointer be out of bounds", s.s.min, name));
  }
}

void Analysis::pointer_arithmetic(const Instruction& insn, Alu op, const Reg& pointer, const Reg& amount) {
  const Scalar& by = amount.scalar;
  Reg& dst = state_.regs()[insn.dst];
  const bool known = by.is_constant();
  const s64 constant = static_cast<s64>(by.value());
  if (contradicts(by)) {
    dst = scalar_reg();
    return;
  }
  if (pointer.maybe_null) {
    refuse(EACCES,
           fmt::format("R{} pointer arithmetic on {} prohibited, null-check it first: it is {}", insn.dst,
                       type_name(pointer), say(pointer)),
           "compare it with NULL, and use it only where it is not");
  }
  const bool nothing = known && constant == 0 && op == Alu::add;
  const bool fixed = known && pointer.type == RegType::flow_keys;
  if (!keeps_arithmetic(pointer.type) && !nothing && !fixed) {
    refuse(EACCES, fmt::format("R{} pointer arithmetic on {} prohibited", insn.dst, type_name(pointer)));
  }
  check_sane_offset(amount, pointer);
  check_sane_offset(pointer, pointer);
  Reg out = pointer;
  if (op == Alu::add) {
    const s64 whole = pointer.offset + constant;
    if (known && whole == static_cast<s32>(whole)) {
      out.offset = static_cast<s32>(whole);
    } else {
      out.scalar = alu(Alu::add, 64, pointer.scalar, by);
      if (pointer.is_packet()) {
        out.id = next_id();
        out.range = 0;
      }
    }
  } else if (op == Alu::sub) {
    if (pointer.type == RegType::stack) {
      refuse(EACCES, fmt::format("R{} subtraction from stack pointer prohibited", insn.dst),
             "add a negative constant instead");
    }
    const s64 whole = pointer.offset - constant;
    if (known && whole == static_cast<s32>(whole)) {
      out.offset = static_cast<s32>(whole);
    } else {
      out.scalar = alu(Alu::sub, 64, pointer.scalar, by);
      if (pointer.is_packet()) {
        out.id = next_id();
        if (by.s.min < 0) out.range = 0;
      }
    }
  } else if (!symbol(op).empty()) {
    refuse(EACCES, fmt::format("R{} bitwise operator {} on pointer prohibited", insn.dst, symbol(op)));
  } else {
    refuse(EACCES,
           fmt::format("R{} pointer arithmetic with {} operator prohibited", insn.dst, isa::row(insn.op).symbol));
  }
  dst = out;
  check_sane_offset(out, pointer);
}

}  // namespace forager::verifier
