// SPDX-License-Identifier: Apache-2.0
#include "runtime/explain.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include "exec/blockers.h"

namespace forager::runtime {
namespace {

// Gives each blocker its kind and name. exec::blockers() promises an order (machine, type, size, maps, instructions),
// so that what has no instruction is told by the first of these that has not had its turn.
class Namer {
 public:
  Namer(const verifier::VerifiedProgram& verified, std::string_view backend, const exec::Capabilities& capabilities)
      : program_(verified.program()), able_(capabilities) {
    if (!able_.available) queue(BlockerKind::unavailable, backend);
    if (!exec::runs_type(program_, able_)) queue(BlockerKind::program_type, type_name());
    if (program_.slots().size() > able_.max_slots) queue(BlockerKind::size, program_.name());
    for (const program::MapSpec& map : program_.maps()) {
      const auto type = static_cast<std::size_t>(map.type);
      if (type >= able_.map_types.size() || !able_.map_types.test(type)) queue(BlockerKind::map, map.name);
    }
  }

  Blocker name(Diagnostic diagnostic) {
    Blocker blocker;
    if (diagnostic.instruction) {
      blocker = name_instruction(program_.instruction_at(*diagnostic.instruction));
    } else if (turn_ < queue_.size()) {
      blocker = queue_[turn_++];
    }
    blocker.diagnostic = std::move(diagnostic);
    return blocker;
  }

 private:
  void queue(BlockerKind kind, std::string_view name) { queue_.push_back({kind, std::string(name), {}}); }

  std::string_view type_name() const {
    const isa::ProgTypeRow* row = isa::find_prog_type(static_cast<std::uint32_t>(program_.type()));
    return row == nullptr ? "unknown" : row->name;
  }

  Blocker name_instruction(std::uint32_t index) const {
    const program::Instruction& insn = program_.instructions()[index];
    if (insn.op != isa::Op::call_helper || !able_.ops.test(static_cast<std::size_t>(insn.op))) {
      return {BlockerKind::instruction, std::string(isa::row(insn.op).name), {}};
    }
    const isa::HelperRow* row = isa::find_helper(static_cast<std::uint32_t>(insn.imm));
    return {BlockerKind::helper, row == nullptr ? std::to_string(insn.imm) : "bpf_" + std::string(row->name), {}};
  }

  const program::Program& program_;
  const exec::Capabilities& able_;
  std::vector<Blocker> queue_;
  std::size_t turn_ = 0;
};

}  // namespace

std::string_view to_string(BlockerKind kind) {
  constexpr std::string_view kNames[] = {"unavailable", "program type", "size", "map", "instruction", "helper"};
  return kNames[static_cast<std::uint8_t>(kind)];
}

std::vector<Blocker> name_blockers(const verifier::VerifiedProgram& program, std::string_view backend,
                                   const exec::Capabilities& capabilities) {
  Namer namer(program, backend, capabilities);
  std::vector<Blocker> named;
  for (Diagnostic& diagnostic : exec::blockers(program, capabilities))
    named.push_back(namer.name(std::move(diagnostic)));
  return named;
}

namespace {

// What capabilities cannot say of a program, a backend's compiler does. It keeps nothing of the program.
std::optional<Blocker> refusal_of(const verifier::VerifiedProgram& program, const jit::BackendRow& row) {
  const std::shared_ptr<const verifier::VerifiedProgram> borrowed(&program, [](const auto*) {});
  auto image = row.get().compile(borrowed, {});
  if (image) return std::nullopt;
  Diagnostic why = std::move(image.error());
  if (why.instruction) return Namer(program, row.name, row.get().capabilities()).name(std::move(why));
  const BlockerKind kind = why.kind == ErrorKind::limit ? BlockerKind::size : BlockerKind::map;
  return Blocker{kind, program.program().name(), std::move(why)};
}

}  // namespace

Explanation explain(const verifier::VerifiedProgram& program) {
  Explanation explanation;
  for (const jit::BackendRow& row : jit::backends()) {
    BackendVerdict verdict{.backend = std::string(row.name)};
    verdict.blockers = name_blockers(program, row.name, row.get().capabilities());
    if (verdict.blockers.empty()) {
      if (auto refusal = refusal_of(program, row)) verdict.blockers.push_back(std::move(*refusal));
    }
    verdict.takes = verdict.blockers.empty();
    if (verdict.takes && !explanation.nearest) explanation.nearest = verdict.backend;
    explanation.backends.push_back(std::move(verdict));
  }
  return explanation;
}

}  // namespace forager::runtime
