// SPDX-License-Identifier: Apache-2.0
#include "exec/blockers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "exec/host_helpers.h"

namespace forager::exec {
namespace {

class Judge {
 public:
  Judge(const verifier::VerifiedProgram& verified, const Capabilities& capabilities)
      : verified_(verified), program_(verified.program()), able_(capabilities) {}

  std::vector<Diagnostic> judge() {
    if (!able_.available) add(ErrorKind::unsupported, "not available: " + able_.reason);
    judge_type();
    judge_size();
    for (const program::MapSpec& map : program_.maps()) judge_map(map);
    for (std::uint32_t i = 0; i < program_.instructions().size(); ++i) {
      if (i >= verified_.facts().size() || verified_.facts()[i].reachable) judge_instruction(i);
    }
    return std::move(found_);
  }

 private:
  // A row's status, where it is the reason: what runs elsewhere is only this backend's gap.
  static std::string why(std::string_view status) {
    return status == "runs" ? std::string{} : fmt::format(": {}", status);
  }

  Diagnostic& add(ErrorKind kind, std::string message) {
    found_.push_back({.kind = kind, .error = EOPNOTSUPP, .message = std::move(message)});
    return found_.back();
  }

  void add_at(std::uint32_t index, std::string message) {
    Diagnostic& blocker = add(ErrorKind::unsupported, std::move(message));
    blocker.instruction = program_.instructions()[index].slot;
    blocker.source = program_.source_line(index);
  }

  void judge_type() {
    if (runs_type(program_, able_)) return;
    if (const auto* iterator = program_.source().iterator; iterator != nullptr) {
      add(ErrorKind::unsupported, fmt::format("iterator of {}", iterator->name));
      return;
    }
    const isa::ProgTypeRow* row = isa::find_prog_type(static_cast<std::uint32_t>(program_.type()));
    add(ErrorKind::unsupported,
        row == nullptr ? "unknown program type" : fmt::format("program type {}{}", row->name, why(row->status)));
  }

  void judge_size() {
    if (program_.slots().size() <= able_.max_slots) return;
    Diagnostic& blocker = add(ErrorKind::limit, "program too long, in instruction slots");
    blocker.limit = able_.max_slots;
    blocker.asked = program_.slots().size();
  }

  void judge_map(const program::MapSpec& map) {
    const auto type = static_cast<std::uint32_t>(map.type);
    if (type < able_.map_types.size() && able_.map_types.test(type)) return;
    const isa::MapRow* row = isa::find_map(type);
    if (row == nullptr) {
      add(ErrorKind::unsupported, fmt::format("map {}: unknown type {}", map.name, type));
    } else {
      add(ErrorKind::unsupported, fmt::format("map {} of type {}{}", map.name, row->name, why(row->status)));
    }
  }

  void judge_instruction(std::uint32_t index) {
    const program::Instruction& insn = program_.instructions()[index];
    const auto op = static_cast<std::size_t>(insn.op);
    if (!able_.ops.test(op)) {
      if (!named_ops_.test(op)) add_at(index, fmt::format("instruction {}", isa::row(insn.op).name));
      named_ops_.set(op);
    } else if (insn.op == isa::Op::call_helper) {
      judge_helper(index, insn.imm);
    }
  }

  void judge_helper(std::uint32_t index, std::uint64_t id) {
    if (id < able_.helpers.size() && (able_.helpers.test(id) || named_helpers_.test(id))) return;
    const isa::HelperRow* row = isa::find_helper(static_cast<std::uint32_t>(id));
    const std::string_view reason = unsupported_reason(static_cast<std::uint32_t>(id));
    add_at(index, row == nullptr ? fmt::format("helper number {}", id)
                                 : fmt::format("helper bpf_{}{}", row->name, why(reason.empty() ? "runs" : reason)));
    if (id < named_helpers_.size()) named_helpers_.set(id);
  }

  const verifier::VerifiedProgram& verified_;
  const program::Program& program_;
  const Capabilities& able_;
  std::vector<Diagnostic> found_;
  std::bitset<256> named_ops_;
  std::bitset<512> named_helpers_;
};

}  // namespace

bool runs_type(const program::Program& program, const Capabilities& capabilities) {
  if (program.source().iterator != nullptr) return capabilities.iterators;
  return std::ranges::find(capabilities.program_types, program.type()) != capabilities.program_types.end();
}

std::vector<Diagnostic> blockers(const verifier::VerifiedProgram& program, const Capabilities& capabilities) {
  return Judge(program, capabilities).judge();
}

}  // namespace forager::exec
