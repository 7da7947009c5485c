// SPDX-License-Identifier: Apache-2.0
//
// Lookups in maps that the verifier knows to be one constant map. Where the key is an index that was stored just before
// and is below max_entries, the lookup cannot fail, and a check of its result that follows is decided.
#include <optional>

#include "exec/host_helpers.h"
#include "jit-backends/common/passes.h"

namespace forager::jit {
namespace {

using isa::MapType;
using verifier::Region;
using verifier::RegisterSet;

std::optional<Kind> way_to_look_up(MapType type) {
  switch (type) {
    case MapType::array:
    case MapType::percpu_array:
      return Kind::look_up_index;
    case MapType::hash:
    case MapType::percpu_hash:
    case MapType::lru_hash:
    case MapType::lru_percpu_hash:
      return Kind::look_up;
    default:
      return std::nullopt;
  }
}

class Specialiser {
 public:
  explicit Specialiser(Code& code) : code_(code), program_(code.program->program()) {}

  void run(std::uint32_t at) {
    Step& step = code_.steps[at];
    const std::uint32_t map = code_.facts(at).call.map;
    if (step.kind != Kind::call_helper || step.imm != static_cast<std::uint64_t>(exec::HelperId::map_lookup_elem))
      return;
    if (map == program::kNone) return;
    const program::MapSpec& spec = program_.maps()[map];
    const auto way = way_to_look_up(spec.type);
    if (!way) return;
    const bool inside = *way == Kind::look_up_index && greatest_index(at) < spec.max_entries;
    step = {.kind = *way, .inside = inside, .imm = map};
    if (inside) decide_checks(at);
  }

 private:
  static constexpr std::uint64_t kAny = UINT64_MAX;
  static constexpr unsigned kFar = 64;  // instructions that are looked at

  // The greatest number that the key of a lookup can be.
  [[nodiscard]] std::uint64_t greatest_index(std::uint32_t call) const {
    const std::uint32_t arguments = code_.facts(call).call.arguments;
    if (arguments == program::kNone) return kAny;
    const verifier::ArgumentFact& key = code_.program->call_arguments()[arguments][1];
    if (key.region != Region::stack || key.offset_min != key.offset_max) return kAny;
    std::uint32_t block = program_.block_of(call), at = call;
    for (unsigned steps = 0; steps < kFar; ++steps) {
      if (at == program_.blocks()[block].begin) {
        const auto& before = program_.blocks()[block].predecessors;
        if (before.size() != 1) return kAny;
        block = before.front();
        at = program_.blocks()[block].end;
      }
      if (const auto found = stored(--at, key.offset_min)) return *found;
    }
    return kAny;
  }

  // What an instruction leaves at four bytes of the stack: nothing if it does not touch them, kAny if it cannot be
  // told.
  [[nodiscard]] std::optional<std::uint64_t> stored(std::uint32_t at, std::int64_t offset) const {
    constexpr std::int64_t kKeyBytes = 4;
    const Step& step = code_.steps[at];
    if (step.kind == Kind::call_helper || step.kind == Kind::call_function || step.kind == Kind::tail_call) return kAny;
    if (step.kind != Kind::store && step.kind != Kind::atomic) return std::nullopt;
    const verifier::AccessFact& access = code_.facts(at).access;
    if (access.region == Region::unknown) return kAny;
    if (access.region != Region::stack) return std::nullopt;
    if (access.frame != 0 || access.offset_min != access.offset_max) return kAny;
    const bool apart = access.offset_max + step.bytes <= offset || access.offset_min >= offset + kKeyBytes;
    if (apart) return std::nullopt;
    if (step.kind != Kind::store || access.offset_min != offset || step.bytes != kKeyBytes) return kAny;
    return step.has_imm ? static_cast<std::uint32_t>(step.imm) : code_.facts(at).src.max;
  }

  // Follows the result, and its copies, to the branch that ends the block.
  void decide_checks(std::uint32_t call) {
    RegisterSet copies = 1;
    const std::uint32_t end = program_.blocks()[program_.block_of(call)].end;
    for (std::uint32_t at = call + 1; at < end; ++at) {
      Step& step = code_.steps[at];
      const bool copied = step.kind == Kind::alu && step.alu == Alu::mov && step.width == 64 && !step.has_imm &&
                          (copies >> step.src & 1) != 0;
      if (step.kind == Kind::branch && (copies >> step.dst & 1) != 0) decide(step);
      copies = static_cast<RegisterSet>(copies & ~writes_of(step));
      if (copied) copies = static_cast<RegisterSet>(copies | 1U << step.dst);
    }
  }

  static void decide(Step& step) {
    const bool null_check = step.has_imm && step.imm == 0 && step.width == 64;
    if (null_check && step.cond == Cond::jeq) step.kind = Kind::none;
    if (null_check && step.cond == Cond::jne) step.kind = Kind::jump;
  }

  Code& code_;
  const program::Program& program_;
};

}  // namespace

void specialise(Code& code) {
  Specialiser specialiser(code);
  for (std::uint32_t at = 0; at < code.steps.size(); ++at) {
    if (code.facts(at).reachable) specialiser.run(at);
  }
}

}  // namespace forager::jit
