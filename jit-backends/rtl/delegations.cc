// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/delegations.h"

#include <algorithm>

#include "jit-backends/rtl/compile.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

std::string name_of(const program::Instruction& insn) {
  if (insn.op == isa::Op::call_helper) {
    const isa::HelperRow* row = isa::find_helper(static_cast<std::uint32_t>(insn.imm));
    return row == nullptr ? "helper " + std::to_string(insn.imm) : "bpf_" + std::string(row->name);
  }
  const isa::Form form = isa::row(insn.op).form;
  return form == isa::Form::packet_abs || form == isa::Form::packet_ind ? "packet access by index" : "context access";
}

void add(std::vector<Delegation>& to, const std::string& what, std::uint32_t instruction) {
  const auto found = std::ranges::find(to, what, &Delegation::what);
  if (found == to.end()) {
    to.push_back({.what = what, .times = 1, .instruction = instruction});
  } else {
    ++found->times;
  }
}

bool is_used(const verifier::VerifiedProgram& program, std::uint32_t map) {
  return std::ranges::any_of(program.facts(),
                             [&](const verifier::Facts& facts) { return facts.reachable && facts.call.map == map; });
}

}  // namespace

std::vector<Delegation> delegations(const std::shared_ptr<const verifier::VerifiedProgram>& program) {
  std::vector<Delegation> found;
  const auto image = compile(program, {});
  if (!image) return found;
  // An instruction may stand in several bundles: of versions of the program, or of copies of its end.
  std::vector<std::uint32_t> instructions;
  for (const Bundle& bundle : (*image)->code().bundles) {
    if (bundle.slots[0].op == CoreOp::UnitHost) instructions.push_back(bundle.slots[0].imm);
  }
  std::ranges::sort(instructions);
  const auto repeated = std::ranges::unique(instructions);
  instructions.erase(repeated.begin(), repeated.end());
  for (const std::uint32_t at : instructions) add(found, name_of(program->program().instructions()[at]), at);
  const auto maps = program->program().maps();
  for (std::uint32_t i = 0; i < maps.size(); ++i) {
    if ((*image)->code().chip.find(i) == nullptr && is_used(*program, i))
      add(found, "map " + maps[i].name, program::kNone);
  }
  return found;
}

}  // namespace forager::jit::rtl
