// SPDX-License-Identifier: Apache-2.0
//
// Facts from straight-line code: within one block, which registers hold a constant, a map, or an address at a known
// offset into the frame or a map's value. Sound since every block starts from knowing only r10, and what a block
// cannot tell stays unknown.
#include <array>

#include "isa/semantics.h"
#include "verifier/passes.h"

namespace forager::verifier {
namespace {

using isa::Form;
using isa::Op;
using program::kNone;

struct Value {
  enum class Kind : std::uint8_t { unknown, constant, map, map_value, stack };
  Kind kind = Kind::unknown;
  std::uint32_t map = kNone;
  std::uint64_t number = 0;  // the constant, or the offset from the map value's start or from r10
};

Value constant(std::uint64_t number) { return {.kind = Value::Kind::constant, .number = number}; }

bool is_address(const Value& value) { return value.kind == Value::Kind::map_value || value.kind == Value::Kind::stack; }

// Condition of a jump row on constants, from the rows' semantics.
template <isa::semantics::Word T>
bool holds(Op op, T dst, T src) {
  namespace row = isa::semantics::row;
  switch (op) {
#define FORAGER_JUMP(name, ...) \
  case Op::name##64_imm:        \
  case Op::name##64_reg:        \
  case Op::name##32_imm:        \
  case Op::name##32_reg:        \
    return row::name<T>(dst, src);
#include "isa/isa.def"
    default:
      return false;
  }
}

class Scan {
 public:
  explicit Scan(const Program& program) : program_(program), facts_(program.instructions().size()) {}

  std::vector<Facts> run() {
    for (const program::Block& block : program_.blocks()) {
      values_ = {};
      values_[isa::kFramePointer] = {.kind = Value::Kind::stack};
      for (std::uint32_t at = block.begin; at < block.end; ++at) {
        state_facts(program_.instructions()[at], facts_[at]);
        step(program_.instructions()[at]);
      }
    }
    return std::move(facts_);
  }

 private:
  void state_facts(const Instruction& insn, Facts& facts) const {
    const isa::Row& row = isa::row(insn.op);
    switch (row.form) {
      case Form::load:
        facts.access = access(insn, values_[insn.src], row.width / 8);
        break;
      case Form::store_imm:
      case Form::store_reg:
      case Form::atomic:
        facts.access = access(insn, values_[insn.dst], row.width / 8);
        break;
      case Form::call:
        facts.call = call(insn);
        break;
      case Form::jump_imm:
        facts.branch = branch(insn, row.width, constant(insn.imm));
        break;
      case Form::jump_reg:
        facts.branch = branch(insn, row.width, values_[insn.src]);
        break;
      default:
        break;
    }
  }

  // Offsets count from the region's first byte: r10 points one past the frame's last.
  AccessFact access(const Instruction& insn, const Value& base, std::int64_t bytes) const {
    if (!is_address(base)) return {};
    const bool stack = base.kind == Value::Kind::stack;
    const std::int64_t start = static_cast<std::int64_t>(base.number) + insn.offset + (stack ? isa::kStackBytes : 0);
    const std::int64_t size = stack ? isa::kStackBytes : program_.maps()[base.map].value_size;
    return {.region = stack ? Region::stack : Region::map_value,
            .map = base.map,
            .offset_min = start,
            .offset_max = start,
            .in_bounds = start >= 0 && start + bytes <= size,
            .aligned = start % bytes == 0};  // both regions begin on 8 bytes
  }

  CallFact call(const Instruction& insn) const {
    if (insn.op != Op::call_helper) return {};
    CallFact fact{.helper = static_cast<std::uint32_t>(insn.imm)};
    const isa::HelperRow* helper = isa::find_helper(fact.helper);
    if (helper == nullptr) return fact;
    const auto args = isa::helper_args(*helper, program_.type());
    for (std::size_t i = 0; i < args.size(); ++i) {
      const Value& value = values_[i + 1];
      if (args[i] == isa::Arg::const_map && value.kind == Value::Kind::map) fact.map = value.map;
    }
    return fact;
  }

  Branch branch(const Instruction& insn, unsigned width, const Value& right) const {
    const Value& left = values_[insn.dst];
    if (left.kind != Value::Kind::constant || right.kind != Value::Kind::constant) return Branch::both;
    const bool taken = width == 64 ? holds<std::uint64_t>(insn.op, left.number, right.number)
                                   : holds<std::uint32_t>(insn.op, static_cast<std::uint32_t>(left.number),
                                                          static_cast<std::uint32_t>(right.number));
    return taken ? Branch::always : Branch::never;
  }

  void step(const Instruction& insn) {
    switch (isa::row(insn.op).form) {
      case Form::call:
      case Form::call_register:
      case Form::packet_abs:
      case Form::packet_ind:
        for (unsigned reg = 0; reg <= 5; ++reg) values_[reg] = {};  // caller-saved
        break;
      case Form::atomic:
        if (isa::row(insn.op).fetches) values_[is_cmpxchg(insn.op) ? 0 : insn.src] = {};
        break;
      case Form::alu_imm:
      case Form::alu_reg:
      case Form::unary:
      case Form::load:
      case Form::wide:
        values_[insn.dst] = result(insn);
        break;
      default:
        break;
    }
  }

  static bool is_cmpxchg(Op op) { return op == Op::atomic_cmpxchg64 || op == Op::atomic_cmpxchg32; }

  Value result(const Instruction& insn) const {
    const Value& dst = values_[insn.dst];
    const Value& src = values_[insn.src];
    switch (insn.op) {
      case Op::mov64_imm:
      case Op::lddw:
        return constant(insn.imm);
      case Op::mov32_imm:
        return constant(static_cast<std::uint32_t>(insn.imm));
      case Op::mov64_reg:
        return src;
      case Op::mov32_reg:
        return src.kind == Value::Kind::constant ? constant(static_cast<std::uint32_t>(src.number)) : Value{};
      case Op::add64_imm:
        if (dst.kind != Value::Kind::constant && !is_address(dst)) return {};
        return {.kind = dst.kind, .map = dst.map, .number = dst.number + insn.imm};
      case Op::lddw_map_idx:
        return {.kind = Value::Kind::map, .map = program::map_index(insn)};
      case Op::lddw_map_idx_value:
        return {.kind = Value::Kind::map_value, .map = program::map_index(insn), .number = program::map_offset(insn)};
      default:
        return {};
    }
  }

  const Program& program_;
  std::vector<Facts> facts_;
  std::array<Value, isa::kRegisters> values_;
};

}  // namespace

std::vector<Facts> scan_blocks(const Program& program) { return Scan(program).run(); }

}  // namespace forager::verifier
