// SPDX-License-Identifier: Apache-2.0
//
// Lookups in maps that the verifier knows to be one constant map, and helpers that are done in place. Where the key is
// an index that was stored just before and is below max_entries, the lookup cannot fail, and a check of its result that
// follows is decided.
#include <algorithm>
#include <iterator>
#include <optional>

#include "exec/host_helpers.h"
#include "jit-backends/common/passes/passes.h"

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
    if (map == program::kNone || (!code_.called_maps.empty() && code_.called_maps[map])) return;
    const program::MapSpec& spec = program_.maps()[map];
    const auto way = way_to_look_up(spec);
    if (!way) return;
    const auto bytes = static_cast<std::uint8_t>(*way == Kind::look_up_key ? spec.key_size : 0);
    Step step = {.kind = *way, .bytes = bytes, .imm = map};
    if (*way == Kind::look_up_index) find_index(at, spec, step);
    code_.steps[at] = step;
    if (step.inside) decide_checks(at);
  }

  void find_index(std::uint32_t call, const program::MapSpec& spec, Step& step) const {
    const Stored key = stored_key(call);
    step.inside = key.greatest < spec.max_entries;
    if (key.at == program::kNone) return;
    const Step& store = code_.steps[key.at];
    if (store.has_imm && step.inside) {
      step.has_imm = true;
      step.target = static_cast<std::uint32_t>(key.greatest);
    } else if (!store.has_imm && keeps(key.at, call, store.src)) {
      step.index = store.src;
    }
  }

  // Whether a register has at the call what it had when it was stored, in the same block. Compilers make the call's
  // arguments meanwhile, r1 and r2, which nobody needs any more: such steps go.
  [[nodiscard]] bool keeps(std::uint32_t from, std::uint32_t call, unsigned reg) const {
    if (program_.block_of(from) != program_.block_of(call)) return false;
    const bool argument = reg == 1 || reg == 2;
    for (std::uint32_t at = from + 1; at < call; ++at) {
      const Step& step = code_.steps[at];
      const bool reads = (reads_of(step) >> reg & 1) != 0, writes = (writes_of(step) >> reg & 1) != 0;
      if (writes && (!argument || !makes_argument(step))) return false;
      if (reads && !writes) return false;
    }
    for (std::uint32_t at = from + 1; at < call; ++at) {
      if ((writes_of(code_.steps[at]) >> reg & 1) != 0) code_.steps[at] = {};
    }
    return true;
  }

  [[nodiscard]] static bool makes_argument(const Step& step) {
    return step.kind == Kind::map_object || step.kind == Kind::alu || step.kind == Kind::constant;
  }

  // bpf_csum_diff() of a few words that are taken away, or none, and a few that are added.
  void sum(std::uint32_t at) {
    constexpr std::uint64_t kMost = 64;
    const verifier::ArgumentFacts* of = arguments(at);
    if (of == nullptr) return;
    const auto& [from, from_size, to, to_size, seed] = *of;
    if (!from_size.value.is_constant() || !to_size.value.is_constant()) return;
    const std::uint64_t taken = from_size.value.min, added = to_size.value.min;
    if (taken % 4 != 0 || taken > kMost || added == 0 || added % 4 != 0 || added > kMost) return;
    const auto is_memory = [](const verifier::ArgumentFact& of) {
      return of.region != Region::unknown && !of.maybe_null;
    };
    if (!is_memory(to) || (taken != 0 && !is_memory(from))) return;
    code_.steps[at] = {.kind = Kind::sum, .dst = 0, .offset = static_cast<std::int32_t>(taken), .imm = added};
  }

  // The key of a lookup: the store that made it, and the greatest number that it can be.
  struct Stored {
    std::uint64_t greatest = kAny;
    std::uint32_t at = program::kNone;
  };

  // Whose frame a key is in is not in the facts. Only the main function has no caller whose frame it could be; in
  // others r2 = r10 + n has to stand before the call.
  [[nodiscard]] bool in_own_frame(std::uint32_t call) const {
    if (program_.subprogram_of(call) == 0) return true;
    const std::uint32_t begin = program_.blocks()[program_.block_of(call)].begin;
    for (std::uint32_t at = call; at-- > begin;) {
      const Step& step = code_.steps[at];
      if ((writes_of(step) >> 2 & 1) == 0) continue;
      if (step.kind != Kind::alu || step.width != 64) return false;
      if (step.alu == Alu::mov) return !step.has_imm && step.src == isa::kFramePointer;
      if (step.alu != Alu::add || !step.has_imm) return false;
    }
    return false;
  }

  [[nodiscard]] Stored stored_key(std::uint32_t call) const {
    const verifier::ArgumentFacts* of = arguments(call);
    if (of == nullptr) return {};
    const verifier::ArgumentFact& key = (*of)[1];
    if (key.region != Region::stack || key.offset_min != key.offset_max || !in_own_frame(call)) return {};
    std::uint32_t block = program_.block_of(call), at = call;
    for (unsigned steps = 0; steps < kFar; ++steps) {
      if (at == program_.blocks()[block].begin) {
        const auto& before = program_.blocks()[block].predecessors;
        if (before.size() != 1) return {};
        block = before.front();
        at = program_.blocks()[block].end;
      }
      const auto found = stored(--at, key.offset_min);
      if (found) return {.greatest = *found, .at = *found == kAny ? program::kNone : at};
    }
    return {};
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
