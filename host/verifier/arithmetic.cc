// SPDX-License-Identifier: Apache-2.0
//
// ALU instructions and 64-bit immediates (Linux check_alu_op): numbers by scalar_alu.cc, pointers by pointers.cc.
#include <algorithm>
#include <cerrno>

#include "verifier/analysis.h"

namespace forager::verifier {

using isa::Form;
using isa::MapType;

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

// Programs that may sleep find some maps' elements gone when they wake (Linux check_map_prog_compatibility).
void Analysis::check_sleepable(const Reg& reg) {
  constexpr MapType kMaps[] = {MapType::hash,          MapType::lru_hash,      MapType::array,
                               MapType::percpu_hash,   MapType::percpu_array,  MapType::lru_percpu_hash,
                               MapType::array_of_maps, MapType::hash_of_maps,  MapType::ringbuf,
                               MapType::user_ringbuf,  MapType::inode_storage, MapType::sk_storage,
                               MapType::task_storage,  MapType::cgrp_storage,  MapType::queue,
                               MapType::stack,         MapType::arena};
  if (program_.type() != isa::ProgType::syscall) return;
  if (std::ranges::find(kMaps, spec_of(reg).type) != std::end(kMaps)) return;
  refuse(EINVAL,
         fmt::format("Sleepable programs can only use array, hash, ringbuf and local storage maps: '{}' is none",
                     spec_of(reg).name));
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
      check_sleepable(dst);
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

// What a move yields: with an identity shared by source and copy if the value stays the same.
Reg Analysis::copy_of(u32 number, bool same_value) {
  Reg& source = state_.regs()[number];
  if (same_value) link_on_copy(source);
  Reg out = source;
  if (!same_value) unlink(out);
  return out;
}

// r1 = r2, w1 = w2, r1 = (s8)r2, ...
Reg Analysis::moved(const Instruction& insn, const AluForm& form) {
  const Reg& source = state_.regs()[insn.src];
  const bool whole = form.shape == AluForm::Shape::move && form.width == 64;
  if (whole) return copy_of(insn.src, true);
  if (source.is_pointer()) return scalar_reg(Scalar::loaded(form.width / 8, false));  // a number like any other
  Reg out;
  if (form.shape == AluForm::Shape::move) {
    out = copy_of(insn.src, source.scalar.u.max <= Limits<u32>::max());
  } else {
    const s64 highest = (s64{1} << (form.bytes * 8 - 1)) - 1;
    out = copy_of(insn.src, form.width == 64 && source.scalar.s.min >= 0 && source.scalar.s.max <= highest);
    out.scalar.sign_extend(form.bytes);
  }
  if (form.width == 32) out.scalar.truncate(4);
  return out;
}

// -r1, be16 r1, ...
Reg Analysis::changed(const Reg& before, const AluForm& form) const {
  if (!before.is_scalar()) return scalar_reg();
  return scalar_reg(form.shape == AluForm::Shape::negate ? alu(Alu::sub, form.width, Scalar::constant(0), before.scalar)
                                                         : swap_bytes(before.scalar, form.bytes, form.reverses));
}

void Analysis::arithmetic(const Instruction& insn) {
  const AluForm& form = alu_form(insn.op);
  const bool by_register = isa::row(insn.op).form == Form::alu_reg;
  const Reg src =
      by_register ? read_reg(insn.src) : constant_reg(form.width == 64 ? insn.imm : static_cast<u32>(insn.imm));
  Reg& dst = state_.regs()[insn.dst];
  if (form.shape == AluForm::Shape::move || form.shape == AluForm::Shape::sign_extend) {
    dst = by_register ? moved(insn, form) : src;
    return;
  }
  const Reg before = read_reg(insn.dst);
  if (form.shape != AluForm::Shape::alu) {
    dst = changed(before, form);
  } else if (before.is_scalar() && src.is_scalar()) {
    dst = scalar_reg(alu(form.op, form.width, before.scalar, src.scalar));
    link_shifted(dst, form.op, form.width, before, src.scalar);
  } else {
    dst = with_pointer(insn, form, before, src);
  }
}

}  // namespace forager::verifier
