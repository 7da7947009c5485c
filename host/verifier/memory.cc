// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores and atomics, by what the pointer points to (Linux check_mem_access). The stack has a file of its own.
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "isa/sets.h"
#include "program/text.h"
#include "verifier/analysis.h"

namespace forager::verifier {

using isa::Form;

namespace {

constexpr u64 kFlowKeysBytes = sizeof(bpf_flow_keys);
constexpr u32 kSocketBytes = sizeof(bpf_sock);
constexpr u32 kPacketAlign = 2;  // NET_IP_ALIGN

s64 low_of(const Reg& reg, s64 offset) { return reg.offset + offset + reg.scalar.s.min; }
s64 high_of(const Reg& reg, s64 offset) {
  return reg.offset + offset + static_cast<s64>(std::min<u64>(reg.scalar.u.max, u64{1} << 40));
}

bool always_aligned(const Reg& base, s64 offset, u32 bytes) {
  const Tnum at = base.scalar.bits + Tnum::constant(static_cast<u64>(base.offset + offset));
  return at.is_aligned(bytes);
}

}  // namespace

void Analysis::load(const Instruction& insn) {
  const isa::Row& row = isa::row(insn.op);
  Reg result = access({insn.src, insn.offset, row.width / 8U, Touch::read}, nullptr, 0, row.sign_extends);
  state_.regs()[insn.dst] = result;
}

void Analysis::store(const Instruction& insn) {
  const isa::Row& row = isa::row(insn.op);
  const bool by_register = row.form == Form::store_reg;
  const Reg value = by_register ? read_reg(insn.src) : constant_reg(insn.imm);
  (void)access({insn.dst, insn.offset, row.width / 8U, Touch::write}, &value, by_register ? insn.src : kNone, false);
}

void Analysis::atomic(const Instruction& insn) {
  const isa::Row& row = isa::row(insn.op);
  const RegisterUse use = register_use(program_, insn);
  (void)read_reg(insn.src);
  const Reg base = read_reg(insn.dst);
  if ((use.reads & 1U) != 0) (void)read_reg(0);
  const bool refused = base.type == RegType::context || base.is_packet() || base.type == RegType::flow_keys ||
                       base.type == RegType::socket || base.type == RegType::socket_common ||
                       base.type == RegType::tcp_socket || base.type == RegType::xdp_socket;
  if (refused) {
    refuse(EACCES, fmt::format("BPF_ATOMIC stores into R{} {} is not allowed", insn.dst, type_name(base)),
           "atomics work on the stack, map values and records");
  }
  const u32 bytes = row.width / 8U;
  const Reg old = access({insn.dst, insn.offset, bytes, Touch::read, true}, nullptr, 0, false);
  (void)access({insn.dst, insn.offset, bytes, Touch::write, true}, nullptr, kNone, false);
  if (base.type == RegType::map_value) recorder_.map_touched(base, Recorder::MapTouch::atomic, insn.op);
  if (!row.fetches) return;
  state_.regs()[use.writes == 1U ? 0 : insn.src] = old;
}

void Analysis::refuse_no_memory(const Access& a, const Reg& base) {
  const std::string what =
      fmt::format("R{} invalid mem access '{}': {} {} {} through {}", a.reg, type_name(base), a.bytes,
                  a.bytes == 1 ? "byte is" : "bytes are", a.touch == Touch::read ? "read" : "written", say(base));
  if (base.maybe_null) refuse(EACCES, what, "compare it with NULL, and use it only where it is not");
  if (base.is_null()) refuse(EACCES, what, "on the way that leads here it is null");
  if (base.ended_at == kNone) refuse(EACCES, what);
  Reg before;
  before.type = base.was;
  const bool packet = before.is_packet();
  refuse(EACCES,
         fmt::format("{} that pointed to {} until {} at instruction {}", what, packet ? "the packet" : "memory",
                     program::to_text(program_, base.ended_at), instruction(base.ended_at).slot),
         packet ? "read data and data_end from the context again, and compare again"
                : "what was given back is no memory of the program's any more");
}

// Of a store, `value` is what is stored (null: unknown), in register `value_reg` (kNone: none).
Reg Analysis::access(const Access& a, const Reg* value, u32 value_reg, bool sign) {
  const Reg base = read_reg(a.reg);
  const bool read = a.touch == Touch::read;
  Reg result = scalar_reg(Scalar::loaded(a.bytes, sign));
  if (!base.is_pointer() || base.maybe_null) refuse_no_memory(a, base);
  check_one_kind(base.type);
  check_alignment(a, base, options_.strict_alignment || a.atomic);
  bool in_bounds = true;
  s64 origin = 0;
  std::uint8_t frames_up = 0;
  switch (base.type) {
    case RegType::context:
      result = access_context(a, base);
      break;
    case RegType::stack:
      origin = isa::kStackBytes;
      frames_up = static_cast<std::uint8_t>(state_.current_frame() - base.frame);
      if (read) {
        result = read_stack(base, a.reg, a.offset, a.bytes, sign);
      } else {
        write_stack(base, a.reg, a.offset, a.bytes, value, value_reg);
      }
      break;
    case RegType::packet:
    case RegType::packet_meta:
      access_packet(a, base);
      break;
    case RegType::map_value:
      result = access_map_value(a, base, sign);
      if (!a.atomic) {
        recorder_.map_touched(base, read ? Recorder::MapTouch::read : Recorder::MapTouch::write);
      }
      break;
    case RegType::map_key:
      if (!read) refuse(EACCES, fmt::format("write to change key R{} not allowed", a.reg));
      check_range(a.reg, base, a.offset, a.bytes, spec_of(base).key_size, false, "map key");
      break;
    case RegType::memory:
      if (!read && base.read_only) refuse(EACCES, fmt::format("R{} cannot write into {}", a.reg, type_name(base)));
      check_range(a.reg, base, a.offset, a.bytes, base.bytes, false, "memory");
      break;
    case RegType::raw:
      in_bounds = false;
      break;
    case RegType::flow_keys:
      check_range(a.reg, base, a.offset, a.bytes, kFlowKeysBytes, false, "flow keys");
      break;
    case RegType::socket:
    case RegType::socket_common:
    case RegType::tcp_socket:
    case RegType::xdp_socket:
      access_socket(a, base);
      break;
    case RegType::object:
      result = access_object(a, base, sign);
      break;
    case RegType::buffer:
      access_buffer(a, base);
      break;
    default:
      refuse(EACCES, fmt::format("R{} invalid mem access '{}': {} has no bytes that a program may {}", a.reg,
                                 type_name(base), say(base), read ? "read" : "write"));
  }
  recorder_.accessed(at_, base,
                     {.low = low_of(base, a.offset) + origin,
                      .high = high_of(base, a.offset) + origin,
                      .in_bounds = in_bounds,
                      .aligned = always_aligned(base, a.offset, a.bytes),
                      .frame = frames_up});
  return result;
}
// Engines may turn an access of a context or a socket into something else, so such an instruction accesses nothing else
// on another path (Linux reg_type_mismatch).
void Analysis::check_one_kind(RegType type) {
  const auto special = [](RegType t) {
    return t == RegType::context || t == RegType::socket || t == RegType::socket_common || t == RegType::tcp_socket ||
           t == RegType::xdp_socket || t == RegType::flow_keys || t == RegType::object;
  };
  RegType& before = access_types_[at_];
  if (before == RegType::uninit) before = type;
  if (before == type || (!special(before) && !special(type))) return;
  refuse(EINVAL, "same insn cannot be used with different pointers: on another path it accessed something else");
}

// [offset, offset + bytes) of a region of `size` bytes, for every value of the variable part (Linux
// check_mem_region_access).
void Analysis::check_range(u32 reg, const Reg& base, s64 offset, u64 bytes, u64 size, bool may_be_empty,
                           std::string_view what) {
  const s64 fixed = base.offset + offset;
  const Scalar& variable = base.scalar;
  const auto inside = [&](s64 first) {
    return first >= 0 && (bytes > 0 || may_be_empty) && static_cast<u64>(first) + bytes <= size;
  };
  const auto outside = [&](std::string_view end, s64 first) {
    const std::string which =
        variable.is_constant() ? "" : fmt::format("R{} {} value is outside of the allowed memory range: ", reg, end);
    const std::string meant =
        bytes == 0 ? "nothing" : fmt::format("bytes {} to {}", first, first + static_cast<s64>(bytes) - 1);
    refuse(EACCES,
           fmt::format("invalid access to {}, {}_size={} off={} size={}: {}{} are meant, it has {} bytes from 0", what,
                       what == "map value" ? "value" : "mem", size, first, bytes, which, meant, size),
           variable.is_constant() ? "" : "check or mask the index before it is added to the pointer");
  };
  if (variable.s.min < 0 && (variable.s.min == Limits<s64>::min() || fixed + variable.s.min < 0)) {
    refuse(EACCES,
           fmt::format("R{} min value is negative, either use unsigned index or do a if (index >=0) check: the offset "
                       "is {}",
                       reg, describe(variable)));
  }
  if (!inside(fixed + variable.s.min)) outside("min", fixed + variable.s.min);
  if (variable.u.max >= static_cast<u64>(kMaxOffset)) {
    refuse(EACCES,
           fmt::format(
               "R{} unbounded memory access, make sure to bounds check any such access: the offset into the {} is {}",
               reg, what, describe(variable)),
           "check or mask the index before it is added to the pointer");
  }
  if (!inside(fixed + static_cast<s64>(variable.u.max))) outside("max", fixed + static_cast<s64>(variable.u.max));
}

// Stack accesses are always aligned, since slots are tracked; others only where asked (Linux check_ptr_alignment).
void Analysis::check_alignment(const Access& a, const Reg& base, bool strict) {
  if (base.type == RegType::stack) strict = true;
  if (base.type == RegType::context || base.type == RegType::raw) return;  // fields are checked whole
  if (!strict || a.bytes == 1) return;
  const u32 shift = base.is_packet() ? kPacketAlign : 0;
  if (always_aligned(base, a.offset + shift, a.bytes)) return;
  refuse(EACCES,
         fmt::format("misaligned {}access off ({:#x}; {:#x})+{}+{} size {}: the address is not a multiple of {}",
                     base.is_packet()              ? "packet "
                     : base.type == RegType::stack ? "stack "
                                                   : "value ",
                     base.scalar.bits.value, base.scalar.bits.mask, base.offset, a.offset, a.bytes, a.bytes));
}

}  // namespace forager::verifier
