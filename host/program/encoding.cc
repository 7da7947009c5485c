// SPDX-License-Identifier: Apache-2.0
//
// The rules of encoding.h, one predicate each; what Linux checks in resolve_pseudo_ldimm64() and check_alu_op().
#include "program/encoding.h"

#include <cerrno>

#include <fmt/format.h>

namespace forager::program {
namespace {

using isa::Form;
using isa::Op;

using Fault = std::optional<EncodingFault>;

Fault rejected(std::string message, int error = EINVAL) {
  return EncodingFault{ErrorKind::rejected, error, std::move(message)};
}

Fault unsupported(std::string message) { return EncodingFault{ErrorKind::unsupported, ENOTSUP, std::move(message)}; }

// The values of the fields by which rows of this opcode are told apart: " with offset 3 imm 7".
std::string selectors(const isa::Slot& slot) {
  bool offset = false, imm = false, src = false;
  for (const isa::Row& row : isa::rows()) {
    if (row.opcode != slot.opcode) continue;
    offset |= row.match.offset.has_value();
    imm |= row.match.imm.has_value();
    src |= row.match.src.has_value();
  }
  std::string out;
  if (offset) out += fmt::format(" offset {}", slot.offset);
  if (imm) out += fmt::format(" imm {:#x}", static_cast<std::uint32_t>(slot.imm));
  if (src) out += fmt::format(" src {}", static_cast<unsigned>(slot.src));
  return out;
}

Fault unknown_opcode(const Encoding& e) {
  if (e.row != nullptr) return {};
  const std::string which = selectors(e.slot);
  if (which.empty()) return rejected(fmt::format("unknown opcode {:#04x}", e.slot.opcode));
  return rejected(fmt::format("opcode {:#04x} has no variant with{}", e.slot.opcode, which));
}

Fault indirect_call(const Encoding& e) {
  if (e.row->op != Op::callx) return {};
  return rejected("callx: indirect calls are refused, as Linux does");
}

Fault kernel_function_call(const Encoding& e) {
  if (e.row->op != Op::call_kfunc) return {};
  return unsupported(
      fmt::format("call of kernel function with BTF id {}: there is no kernel here to call into", e.slot.imm));
}

Fault reserved_field(const Encoding& e) {
  const char* field = isa::reserved_field_set(*e.row, e.slot);
  if (field == nullptr) return {};
  return rejected(fmt::format("{} uses reserved field {}: it must be zero", e.row->name, field));
}

Fault invalid_register(const Encoding& e) {
  const isa::Fields used = isa::fields_of(e.row->form);
  if (used.dst && e.slot.dst >= isa::kRegisters) {
    return rejected(fmt::format("R{} is invalid", static_cast<unsigned>(e.slot.dst)));
  }
  if (used.src && e.slot.src >= isa::kRegisters) {
    return rejected(fmt::format("R{} is invalid", static_cast<unsigned>(e.slot.src)));
  }
  return {};
}

// The register that the instruction overwrites, if that is one of its fields.
std::optional<unsigned> written_register(const Encoding& e) {
  switch (e.row->form) {
    case Form::alu_imm:
    case Form::alu_reg:
    case Form::unary:
    case Form::wide:
    case Form::load:
      return e.slot.dst;
    case Form::atomic:
      if (e.row->fetches && e.row->op != Op::atomic_cmpxchg64 && e.row->op != Op::atomic_cmpxchg32) return e.slot.src;
      return {};
    default:
      return {};
  }
}

Fault frame_pointer_write(const Encoding& e) {
  if (written_register(e) != isa::kFramePointer) return {};
  return rejected("frame pointer is read only", EACCES);
}

bool is_division(Op op) {
  switch (op) {
    case Op::div64_imm:
    case Op::div32_imm:
    case Op::sdiv64_imm:
    case Op::sdiv32_imm:
    case Op::mod64_imm:
    case Op::mod32_imm:
    case Op::smod64_imm:
    case Op::smod32_imm:
      return true;
    default:
      return false;
  }
}

bool is_shift(Op op) {
  switch (op) {
    case Op::lsh64_imm:
    case Op::lsh32_imm:
    case Op::rsh64_imm:
    case Op::rsh32_imm:
    case Op::arsh64_imm:
    case Op::arsh32_imm:
      return true;
    default:
      return false;
  }
}

Fault division_by_zero(const Encoding& e) {
  if (e.type == isa::ProgType::raw_memory || !is_division(e.row->op) || e.slot.imm != 0) return {};
  return rejected(fmt::format("{}: div by zero", e.row->name));
}

Fault shift_out_of_range(const Encoding& e) {
  if (e.type == isa::ProgType::raw_memory || !is_shift(e.row->op)) return {};
  if (e.slot.imm >= 0 && e.slot.imm < e.row->width) return {};
  return rejected(fmt::format("{}: invalid shift {}", e.row->name, e.slot.imm));
}

Fault second_slot(const Encoding& e) {
  if (e.row->form != Form::wide) return {};
  if (e.second == nullptr) return rejected("incomplete 64-bit immediate: the program ends after its first slot");
  const isa::Slot& second = *e.second;
  if (second.opcode != 0 || second.dst != 0 || second.src != 0 || second.offset != 0) {
    return rejected("invalid 64-bit immediate: its second slot uses reserved fields");
  }
  const bool has_upper = e.row->op == Op::lddw || e.row->op == Op::lddw_map_idx_value ||
                         e.row->op == Op::lddw_map_value || e.row->op == Op::lddw_btf_id;
  if (!has_upper && second.imm != 0) return rejected(fmt::format("{} uses reserved upper immediate", e.row->name));
  return {};
}

Fault unresolved_reference(const Encoding& e) {
  switch (e.row->op) {
    case Op::lddw_map_fd:
    case Op::lddw_map_value:
      return rejected(fmt::format("map file descriptor {} was not resolved to a map by the loader", e.slot.imm), EBADF);
    case Op::lddw_btf_id:
      return unsupported(fmt::format("address of kernel variable with BTF id {}: there is no kernel here", e.slot.imm));
    default:
      return {};
  }
}

Fault unknown_map(const Encoding& e) {
  if (e.row->op != Op::lddw_map_idx && e.row->op != Op::lddw_map_idx_value) return {};
  if (static_cast<std::uint32_t>(e.slot.imm) < e.maps) return {};
  return rejected(fmt::format("map index {} is out of range: the program has {} maps",
                              static_cast<std::uint32_t>(e.slot.imm), e.maps));
}

// A rule may rely on those before it: all after the first have a row.
constexpr Fault (*kRules[])(const Encoding&) = {
    unknown_opcode,   indirect_call,        kernel_function_call, reserved_field,
    invalid_register, frame_pointer_write,  division_by_zero,     shift_out_of_range,
    second_slot,      unresolved_reference, unknown_map,
};

}  // namespace

std::optional<EncodingFault> find_fault(const Encoding& encoding) {
  for (const auto rule : kRules) {
    if (Fault fault = rule(encoding)) return fault;
  }
  return {};
}

}  // namespace forager::program
