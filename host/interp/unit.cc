// SPDX-License-Identifier: Apache-2.0
#include "interp/unit.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "exec/host_helpers.h"
#include "program/map_shape.h"

namespace forager::interp {
namespace {

using isa::Arg;
using isa::Op;

constexpr RegisterSet bit(unsigned number) { return static_cast<RegisterSet>(1U << number); }
constexpr RegisterSet kArguments = bit(1) | bit(2) | bit(3) | bit(4) | bit(5);

// ---- which registers a step reads, clears and writes ----

// Two rows are told from their form's others by their semantics: a move ignores its destination, and a compare-and-
// exchange compares with r0.
bool ignores_dst(const isa::Row& row) { return !row.semantics.contains("dst"); }
bool uses_r0(const isa::Row& row) { return row.semantics.contains("r0"); }

void set_atomic_registers(const isa::Row& row, Step& step) {
  step.reads = bit(step.dst) | bit(step.src) | (uses_r0(row) ? bit(0) : 0);
  if (row.fetches) step.writes = uses_r0(row) ? bit(0) : bit(step.src);
}

void set_registers(const isa::Row& row, Step& step) {
  const isa::Fields fields = isa::fields_of(row.form);
  const RegisterSet dst = fields.dst ? bit(step.dst) : 0;
  const RegisterSet src = fields.src ? bit(step.src) : 0;
  switch (row.form) {
    case isa::Form::atomic:
      return set_atomic_registers(row, step);
    case isa::Form::alu_imm:
    case isa::Form::alu_reg:
    case isa::Form::unary:
      step.reads = src | (ignores_dst(row) ? 0 : dst);
      step.writes = dst;
      return;
    case isa::Form::wide:
    case isa::Form::load:
      step.reads = src;
      step.writes = dst;
      return;
    case isa::Form::exit:
      step.reads = bit(0);
      return;
    case isa::Form::packet_abs:
    case isa::Form::packet_ind:
      step.reads = bit(6) | (row.form == isa::Form::packet_ind ? bit(step.src) : 0);
      step.clears = kArguments;
      step.writes = bit(0);
      return;
    default:
      step.reads = dst | src;
      return;
  }
}

void set_call_registers(const HelperCall& call, Step& step) {
  for (unsigned i = 0; i < call.args.size(); ++i) {
    if (call.args[i] != Arg::none) step.reads |= bit(i + 1);
  }
  step.clears = kArguments | bit(0);
  if (call.row->returns != isa::Ret::nothing) step.writes = bit(0);
}

// ---- making a unit ----

HelperCall resolve(std::uint64_t id, isa::ProgType caller, std::span<const exec::HelperFn> helpers) {
  HelperCall call;
  call.row = isa::find_helper(static_cast<std::uint32_t>(id));
  if (call.row == nullptr) return call;
  call.args = isa::helper_args(*call.row, caller);
  call.function = id < helpers.size() ? helpers[id] : nullptr;
  call.is_tail_call = id == static_cast<std::uint64_t>(exec::HelperId::tail_call);
  return call;
}

std::uint64_t map_address(const program::Instruction& insn, std::uint32_t first_region, std::uint32_t code_region) {
  const std::uint32_t object = first_region + 2 * program::map_index(insn);
  switch (insn.op) {
    case Op::lddw_map_idx:
      return Memory::fixed_address(object);
    case Op::lddw_map_idx_value:
      return Memory::fixed_address(object + 1, program::map_offset(insn));
    case Op::lddw_func:
      return Memory::fixed_address(code_region, insn.target);
    default:
      return insn.imm;
  }
}

// The part of a map that programs may address directly: its values from the first to the last.
Region direct_region(exec::Map& map) {
  const exec::MapMemory memory = map.memory();
  if (memory.base == nullptr || map.spec().type != isa::MapType::array) return {};
  const program::MapSpec& spec = map.spec();
  const std::uint64_t stride = spec.max_entries == 1 ? spec.value_size : (spec.value_size + 7ULL) & ~7ULL;
  const std::uint64_t size = std::min<std::uint64_t>(stride * spec.max_entries, memory.size);
  return map_value_region(map, memory.base, static_cast<std::int64_t>(size));
}

std::unexpected<Diagnostic> wrong_map(const program::Program& program, std::uint32_t index) {
  return fail(ErrorKind::input, EINVAL,
              index < program.maps().size() ? fmt::format("map {} of program {} bound to a map of another shape",
                                                          program.maps()[index].name, program.name())
                                            : fmt::format("program {} has no map number {}", program.name(), index));
}

}  // namespace

std::unique_ptr<Unit> UnitTable::make(std::shared_ptr<const verifier::VerifiedProgram> program) {
  auto unit = std::make_unique<Unit>();
  unit->verified = std::move(program);
  const program::Program& source = unit->program();
  const auto code_end = static_cast<std::int64_t>(source.instructions().size());
  const std::uint32_t code = memory_.add_fixed({.kind = RegionKind::code, .end = code_end});
  unit->code_region = code;
  unit->first_region = code + 1;
  unit->maps.resize(source.maps().size());
  for (std::size_t i = 0; i < 2 * unit->maps.size(); ++i) memory_.add_fixed({});
  for (const program::Instruction& insn : source.instructions()) {
    Step step{.op = insn.op,
              .dst = insn.dst,
              .src = insn.src,
              .offset = insn.offset,
              .target = insn.target,
              .imm = map_address(insn, unit->first_region, code)};
    set_registers(isa::row(insn.op), step);
    if (insn.op == Op::call_helper) {
      step.imm = unit->calls.size();
      unit->calls.push_back(resolve(insn.imm, source.type(), helpers_));
      if (unit->calls.back().row != nullptr) set_call_registers(unit->calls.back(), step);
    }
    unit->steps.push_back(step);
  }
  return unit;
}

void UnitTable::load(std::shared_ptr<const verifier::VerifiedProgram> program) {
  targets_.clear();
  memory_.truncate_fixed(first_region_);
  loaded_ = make(std::move(program));
}

Result<> UnitTable::bind(std::uint32_t index, std::shared_ptr<exec::Map> map) {
  if (loaded_ == nullptr) return fail(ErrorKind::bug, EINVAL, "a map was bound before a program was loaded");
  return bind(*loaded_, index, std::move(map));
}

Result<> UnitTable::bind(Unit& unit, std::uint32_t index, std::shared_ptr<exec::Map> map) {
  const program::Program& program = unit.program();
  if (index >= program.maps().size() || map == nullptr || !program::same_shape(map->spec(), program.maps()[index])) {
    return wrong_map(program, index);
  }
  const std::uint32_t object = unit.first_region + 2 * index;
  memory_.fixed(object) = {.kind = RegionKind::map, .map = map.get()};
  memory_.fixed(object + 1) = direct_region(*map);
  unit.maps[index] = std::move(map);
  return {};
}

Result<const Unit*> UnitTable::find(const exec::ProgramSlot& slot) {
  const auto known = targets_.find(slot.program.get());
  if (known != targets_.end() && known->second->source == slot.maps) return known->second.get();
  const std::size_t needed = slot.program->program().maps().size();
  if (needed != (slot.maps == nullptr ? 0 : slot.maps->size())) {
    return fail(ErrorKind::bug, EINVAL, "the target of a tail call came without its maps");
  }
  auto unit = make(slot.program);
  unit->source = slot.maps;
  for (std::uint32_t i = 0; i < needed; ++i) {
    if (auto bound = bind(*unit, i, (*slot.maps)[i]); !bound) return std::unexpected(std::move(bound.error()));
  }
  return (targets_[slot.program.get()] = std::move(unit)).get();
}

void UnitTable::trim() {
  constexpr std::size_t kMany = 64;
  if (targets_.size() <= kMany) return;
  targets_.clear();
  memory_.truncate_fixed(loaded_->first_region + 2 * static_cast<std::uint32_t>(loaded_->maps.size()));
}

}  // namespace forager::interp
