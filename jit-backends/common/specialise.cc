// SPDX-License-Identifier: Apache-2.0
//
// Lookups in maps that the verifier knows to be one constant map, and helpers that are done in place. Where the key is
// an index that was stored just before and is below max_entries, the lookup cannot fail, and a check of its result that
// follows is decided.
#include <algorithm>
#include <iterator>
#include <optional>

#include "exec/host_helpers.h"
#include "jit-backends/common/passes.h"

namespace forager::jit {
namespace {

using exec::HelperId;
using isa::MapType;
using verifier::Region;
using verifier::RegisterSet;

// Keys of these sizes are one or two loads.
bool is_loaded(std::uint32_t key_size) {
  constexpr std::uint32_t kSizes[] = {1, 2, 4, 8, 12, 16};
  return std::ranges::find(kSizes, key_size) != std::end(kSizes);
}

std::optional<Kind> way_to_look_up(const program::MapSpec& map) {
  switch (map.type) {
    case MapType::array:
    case MapType::percpu_array:
      return Kind::look_up_index;
    case MapType::hash:
    case MapType::lru_hash:
      return is_loaded(map.key_size) ? Kind::look_up_key : Kind::look_up;
    case MapType::percpu_hash:
    case MapType::lru_percpu_hash:
    case MapType::lpm_trie:
    case MapType::devmap:
    case MapType::devmap_hash:
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
    if (step.kind != Kind::call_helper) return;
    switch (static_cast<HelperId>(step.imm)) {
      case HelperId::map_lookup_elem:
        return look_up(at);
      case HelperId::get_smp_processor_id:
        step = {.kind = Kind::lane, .dst = 0};
        return;
      case HelperId::get_prandom_u32:
        step = {.kind = Kind::random, .dst = 0};
        return;
      case HelperId::csum_diff:
        return sum(at);
      default:
        return;
    }
  }

 private:
  static constexpr std::uint64_t kAny = UINT64_MAX;
  static constexpr unsigned kFar = 64;  // instructions that are looked at

  [[nodiscard]] const verifier::ArgumentFacts* arguments(std::uint32_t call) const {
    const std::uint32_t index = code_.facts(call).call.arguments;
    return index == program::kNone ? nullptr : &code_.program->call_arguments()[index];
  }

  void look_up(std::uint32_t at) {
    const std::uint32_t map = code_.facts(at).call.map;
    if (map == program::kNone) return;
    const program::MapSpec& spec = program_.maps()[map];
    const auto way = way_to_look_up(spec);
    if (!way) return;
    const bool inside = *way == Kind::look_up_index && greatest_index(at) < spec.max_entries;
    const auto bytes = static_cast<std::uint8_t>(*way == Kind::look_up_key ? spec.key_size : 0);
    code_.steps[at] = {.kind = *way, .bytes = bytes, .inside = inside, .imm = map};
    if (inside) decide_checks(at);
  }

  // bpf_csum_diff() of nothing and a few words: the sum of what was added, as of a header that is written anew.
  void sum(std::uint32_t at) {
    constexpr std::uint64_t kMost = 64;
    const verifier::ArgumentFacts* of = arguments(at);
    if (of == nullptr) return;
    const auto& [from, from_size, to, to_size, seed] = *of;
    const bool nothing_before = from_size.value.is_constant() && from_size.value.min == 0;
    const std::uint64_t bytes = to_size.value.is_constant() ? to_size.value.min : 0;
    if (!nothing_before || to.region == Region::unknown || to.maybe_null) return;
    if (bytes != 0 && bytes % 4 == 0 && bytes <= kMost) code_.steps[at] = {.kind = Kind::sum, .dst = 0, .imm = bytes};
  }

  // The greatest number that the key of a lookup can be.
  [[nodiscard]] std::uint64_t greatest_index(std::uint32_t call) const {
    const verifier::ArgumentFacts* of = arguments(call);
    if (of == nullptr) return kAny;
    const verifier::ArgumentFact& key = (*of)[1];
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
