// SPDX-License-Identifier: Apache-2.0
//
// What calls of helpers are to the engine.
#include "exec/host_helpers.h"
#include "jit-backends/rtl/chip_maps.h"

namespace forager::jit::rtl {
namespace {

using exec::HelperId;
using program::kNone;

bool is(const verifier::CallFact& call, HelperId helper) { return call.helper == static_cast<std::uint32_t>(helper); }

// Whether an instruction may change a register. Calls are not asked about.
bool changes(const program::Instruction& insn, std::uint32_t reg) {
  switch (isa::row(insn.op).form) {
    case isa::Form::alu_imm:
    case isa::Form::alu_reg:
    case isa::Form::unary:
    case isa::Form::wide:
    case isa::Form::load:
      return insn.dst == reg;
    case isa::Form::atomic:
      return insn.src == reg || reg == 0;
    case isa::Form::packet_abs:
    case isa::Form::packet_ind:
      return reg <= 5;
    default:
      return false;
  }
}

// Follows a map's pointer back to the lookup in a map of maps that gave it.
class Origin {
 public:
  explicit Origin(const verifier::VerifiedProgram& program) : program_(program), of_(program.program()) {}

  // kNone if that is not plain to see.
  [[nodiscard]] std::uint32_t outer_map(std::uint32_t call) const {
    std::uint32_t reg = 1, block = of_.block_of(call), at = call;
    for (unsigned steps = 0; steps < kFar; ++steps) {
      if (at == of_.blocks()[block].begin) {
        const auto& before = of_.blocks()[block].predecessors;
        if (before.size() != 1) return kNone;
        block = before.front();
        at = of_.blocks()[block].end;
      }
      const program::Instruction& insn = of_.instructions()[--at];
      const bool calls = isa::row(insn.op).form == isa::Form::call;
      if (calls && reg == 0) return looked_up(at);
      if (calls && reg <= 5) return kNone;
      if (calls || !changes(insn, reg)) continue;
      if (insn.op != isa::Op::mov64_reg) return kNone;
      reg = insn.src;
    }
    return kNone;
  }

 private:
  static constexpr unsigned kFar = 256;  // instructions that are looked at

  [[nodiscard]] std::uint32_t looked_up(std::uint32_t call) const {
    const verifier::CallFact& fact = program_.facts()[call].call;
    const bool found = is(fact, HelperId::map_lookup_elem) && fact.map != kNone;
    return found && of_.maps()[fact.map].inner != nullptr ? fact.map : kNone;
  }

  const verifier::VerifiedProgram& program_;
  const program::Program& of_;
};

const verifier::ValueFact* argument(const verifier::VerifiedProgram& program, std::uint32_t call, std::size_t index) {
  const std::uint32_t arguments = program.facts()[call].call.arguments;
  return arguments == kNone ? nullptr : &program.call_arguments()[arguments][index].value;
}
bool is_at_most(const verifier::ValueFact* value, std::uint64_t most) { return value != nullptr && value->max <= most; }

// Helpers of the packet.
std::optional<CoreOp> without_map(const verifier::VerifiedProgram& program, std::uint32_t call) {
  switch (static_cast<HelperId>(program.facts()[call].call.helper)) {
    case HelperId::redirect:
      if (program.program().type() != isa::ProgType::xdp || !is_at_most(argument(program, call, 1), 0))
        return std::nullopt;
      return CoreOp::UnitRedirect;
    case HelperId::xdp_adjust_head:
      return CoreOp::UnitAdjustHead;
    case HelperId::xdp_adjust_tail:
      return CoreOp::UnitAdjustTail;
    case HelperId::xdp_adjust_meta:
      return CoreOp::UnitAdjustMeta;
    default:
      return std::nullopt;
  }
}

// With a map of a kind. Of an inner one the register that has it stands where others have flags.
std::optional<CoreOp> with_map(const verifier::VerifiedProgram& program, std::uint32_t call, const ChipKind& kind,
                               bool inner) {
  constexpr std::uint64_t kMostVerdict = 3;  // other flags than the verdict for nothing found are the host's
  const bool values = !kind.redirects && !kind.programs, hash = kind.kind == CoreMap::Hash && values && !kind.nested;
  switch (static_cast<HelperId>(program.facts()[call].call.helper)) {
    case HelperId::tail_call:
      return kind.programs && !inner ? std::optional(CoreOp::UnitTailCall) : std::nullopt;
    case HelperId::map_lookup_elem:
      return values && !(inner && kind.nested) ? std::optional(CoreOp::UnitLookup) : std::nullopt;
    case HelperId::map_update_elem:
      return hash && (!inner || is_at_most(argument(program, call, 3), 0)) ? std::optional(CoreOp::UnitUpdate)
                                                                           : std::nullopt;
    case HelperId::map_delete_elem:
      return hash ? std::optional(CoreOp::UnitDelete) : std::nullopt;
    case HelperId::redirect_map:
      return kind.redirects && !inner && is_at_most(argument(program, call, 2), kMostVerdict)
                 ? std::optional(CoreOp::UnitRedirectMap)
                 : std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<EngineCall> engine_call(const verifier::VerifiedProgram& program, std::uint32_t call) {
  if (const auto op = without_map(program, call)) return EngineCall{.op = *op};
  EngineCall made{.map = program.facts()[call].call.map};
  made.inner = made.map == kNone;
  if (made.inner) made.map = Origin(program).outer_map(call);
  if (made.map == kNone) return std::nullopt;
  const ChipKind* kind = chip_kind(spec_of(made, program.program()));
  const auto op = kind != nullptr ? with_map(program, call, *kind, made.inner) : std::nullopt;
  if (!op) return std::nullopt;
  made.op = *op;
  return made;
}

const program::MapSpec& spec_of(const EngineCall& call, const program::Program& program) {
  const program::MapSpec& map = program.maps()[call.map];
  return call.inner ? *map.inner : map;
}

}  // namespace forager::jit::rtl
