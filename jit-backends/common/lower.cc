// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <type_traits>

#include "exec/host_helpers.h"
#include "jit-backends/common/code.h"

namespace forager::jit {
namespace {

using isa::Op;
using program::Instruction;

// Rows that are a kind of their own. le64 changes nothing, and blockers() refused what else is missing.
Kind kind_of(Op op) {
  struct Pair {
    Op op;
    Kind kind;
  };
  constexpr Pair kPairs[] = {
      {Op::neg64, Kind::negate},
      {Op::neg32, Kind::negate},
      {Op::be16, Kind::swap},
      {Op::swap16, Kind::swap},
      {Op::be32, Kind::swap},
      {Op::swap32, Kind::swap},
      {Op::be64, Kind::swap},
      {Op::swap64, Kind::swap},
      {Op::le16, Kind::truncate},
      {Op::le32, Kind::truncate},
      {Op::lddw, Kind::constant},
      {Op::lddw_map_idx, Kind::map_object},
      {Op::lddw_map_idx_value, Kind::map_value},
      {Op::lddw_func, Kind::function},
      {Op::ja, Kind::jump},
      {Op::ja32, Kind::jump},
      {Op::call_helper, Kind::call_helper},
      {Op::call_local, Kind::call_function},
      {Op::exit, Kind::exit},
  };
  const auto* found = std::ranges::find(kPairs, op, &Pair::op);
  return found == std::end(kPairs) ? Kind::none : found->kind;
}

// What a row says besides its form.
Step row_step(Op op) {
  Step step;
  switch (op) {
#define FORAGER_ALU(name, ...) \
  case Op::name##64_imm:       \
  case Op::name##64_reg:       \
  case Op::name##32_imm:       \
  case Op::name##32_reg:       \
    step.kind = Kind::alu;     \
    step.alu = Alu::name;      \
    break;
#define FORAGER_JUMP(name, ...) \
  case Op::name##64_imm:        \
  case Op::name##64_reg:        \
  case Op::name##32_imm:        \
  case Op::name##32_reg:        \
    step.kind = Kind::branch;   \
    step.cond = Cond::name;     \
    break;
#define FORAGER_MOVSX(name, width_, bits, expr) \
  case Op::name:                                \
    step.kind = Kind::extend;                   \
    step.bytes = (bits) / 8;                    \
    break;
#define FORAGER_ATOMIC(name, ...) \
  case Op::name##64:              \
  case Op::name##32:              \
    step.kind = Kind::atomic;     \
    step.atomic = Atomic::name;   \
    break;
#define FORAGER_LOAD(name, mnemonic, opcode, bytes_, sign_) \
  case Op::name:                                            \
    step.kind = Kind::load;                                 \
    step.sign = sign_;                                      \
    break;
#define FORAGER_STORE(name, ...) \
  case Op::name:                 \
    step.kind = Kind::store;     \
    break;
#define FORAGER_PACKET(name, ...)  \
  case Op::name:                   \
    step.kind = Kind::load_packet; \
    break;
#include "isa/isa.def"
    default:
      step.kind = kind_of(op);
  }
  return step;
}

// A row's width is of operands in bits; of memory it is kept in bytes.
void set_width(const isa::Row& row, Step& step) {
  switch (step.kind) {
    case Kind::load:
    case Kind::store:
    case Kind::atomic:
    case Kind::load_packet:
      step.bytes = row.width / 8;
      break;
    case Kind::alu:
    case Kind::branch:
    case Kind::extend:
    case Kind::negate:
      step.width = row.width;
      break;
    default:
      break;
  }
}

// All that a row says of its instructions.
Step step_of(const isa::Row& row) {
  Step step = row_step(row.op);
  step.has_imm = row.form == isa::Form::alu_imm || row.form == isa::Form::jump_imm ||
                 row.form == isa::Form::store_imm || row.form == isa::Form::packet_abs;
  set_width(row, step);
  return step;
}

// Made once, so that lowering is copying.
const Step& step_of(Op op) {
  static const auto kSteps = [] {
    std::array<Step, std::numeric_limits<std::underlying_type_t<Op>>::max() + 1> steps;
    for (const isa::Row& row : isa::rows()) steps[static_cast<std::size_t>(row.op)] = step_of(row);
    return steps;
  }();
  return kSteps[static_cast<std::size_t>(op)];
}

class Lowering {
 public:
  explicit Lowering(const verifier::VerifiedProgram& program) : source_(program.program()), facts_(program.facts()) {
    code_.program = &program;
  }

  Result<Code> run() {
    const auto instructions = source_.instructions();
    code_.steps.reserve(instructions.size());
    for (std::uint32_t at = 0; at < instructions.size(); ++at) code_.steps.push_back(lower_one(at));
    for (std::uint32_t block = 0; block < source_.blocks().size(); ++block) {
      if (facts_[source_.blocks()[block].begin].reachable) code_.layout.push_back(block);
    }
    return std::move(code_);
  }

 private:
  Step lower_one(std::uint32_t at) {
    const Instruction& insn = source_.instructions()[at];
    const verifier::Facts& facts = facts_[at];
    if (!facts.reachable) return {};
    Step step = step_of(insn.op);
    step.dst = insn.dst;
    step.src = insn.src;
    step.offset = insn.offset;
    step.imm = insn.imm;
    step.target = insn.target;
    switch (step.kind) {
      case Kind::alu:
        set_divisor(facts, step);
        break;
      case Kind::swap:
      case Kind::truncate:
        step.src = step.dst;
        step.bytes = static_cast<std::uint8_t>(step.imm / 8);
        break;
      case Kind::load:
      case Kind::store:
      case Kind::atomic:
        set_memory(facts, step);
        break;
      case Kind::map_value:
        step.target = program::map_offset(insn);
        [[fallthrough]];
      case Kind::map_object:
        step.imm = program::map_index(insn);
        break;
      case Kind::call_helper:
        if (insn.imm == static_cast<std::uint64_t>(exec::HelperId::tail_call)) step.kind = Kind::tail_call;
        break;
      default:
        break;
    }
    return step;
  }

  static void set_divisor(const verifier::Facts& facts, Step& step) {
    if (step.has_imm) {
      judge_divisor(step);
    } else {
      const verifier::ValueFact& divisor = facts.src;
      const bool fits = step.width == 64 || divisor.max <= UINT32_MAX;
      step.nonzero = fits && divisor.min > 0;
      step.plain = fits && divisor.max < UINT32_MAX;
    }
  }

  static void set_memory(const verifier::Facts& facts, Step& step) {
    const verifier::AccessFact& access = facts.access;
    step.checked = !access.in_bounds;
    if (access.region != verifier::Region::context) return;
    const bool stores = step.kind == Kind::store;
    step.kind = stores ? Kind::store_context : Kind::load_context;
    if (stores) step.target = static_cast<std::uint32_t>(step.imm);
    step.imm = static_cast<std::uint64_t>(access.offset_min);
  }

  const program::Program& source_;
  std::span<const verifier::Facts> facts_;
  Code code_;
};

}  // namespace

Result<Code> lower(const verifier::VerifiedProgram& program) { return Lowering(program).run(); }

}  // namespace forager::jit
