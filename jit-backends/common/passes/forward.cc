// SPDX-License-Identifier: Apache-2.0
//
// Stack slots of the main function that only pass values on: a load of what was stored shortly before becomes that
// value, and stores that nobody reads go. Compilers keep keys of lookups there, which specialise() took as indices, and
// what they ran out of registers for.
#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

#include "exec/host_helpers.h"
#include "jit-backends/common/passes/passes.h"

namespace forager::jit {
namespace {

using verifier::Region;

constexpr unsigned kFar = 64;  // steps that are looked at

// Bytes of a frame, from its lowest; all of them where it cannot be told.
struct Range {
  std::int64_t begin = 0, end = isa::kStackBytes;
  [[nodiscard]] bool meets(const Range& other) const { return begin < other.end && other.begin < end; }
  friend bool operator==(const Range&, const Range&) = default;
};

class Forwarder {
 public:
  explicit Forwarder(Code& code) : code_(code), program_(code.program->program()) {}

  void run() {
    // In other functions a pointer may be to a caller's frame, and what they do is not looked through.
    if (program_.subprograms().size() != 1) return;
    for (std::uint32_t at = 0; at < code_.steps.size(); ++at) {
      if (code_.facts(at).reachable && code_.steps[at].kind == Kind::load) forward(at);
    }
    note_reads();
    for (std::uint32_t at = 0; at < code_.steps.size(); ++at) {
      if (code_.facts(at).reachable && is_dead_store(at)) code_.steps[at] = {};
    }
  }

 private:
  // Where an access of the stack is; nothing if it is somewhere else.
  [[nodiscard]] std::optional<Range> stack_range(std::uint32_t at) const {
    const verifier::AccessFact& access = code_.facts(at).access;
    if (access.region == Region::unknown || !access.in_bounds) return Range{};
    if (access.region != Region::stack) return std::nullopt;
    if (access.frame != 0) return Range{};
    return Range{access.offset_min, access.offset_max + code_.steps[at].bytes};
  }
  [[nodiscard]] bool is_exact(std::uint32_t at) const {
    const verifier::AccessFact& access = code_.facts(at).access;
    return access.in_bounds && access.region == Region::stack && access.frame == 0 &&
           access.offset_min == access.offset_max && code_.steps[at].bytes <= 8;
  }

  // ---- loads ----

  void forward(std::uint32_t at) {
    Step& load = code_.steps[at];
    if (load.sign || !is_exact(at)) return;
    const Range wanted = *stack_range(at);
    std::uint32_t block = program_.block_of(at), i = at;
    verifier::RegisterSet written = 0;
    for (unsigned steps = 0; steps < kFar; ++steps) {
      if (i == program_.blocks()[block].begin) {
        block = sole_predecessor(block);
        if (block == program::kNone) return;
        i = program_.blocks()[block].end;
      }
      const Step& step = code_.steps[--i];
      if (step.kind == Kind::store && is_exact(i) && *stack_range(i) == wanted) return pass_on(step, written, load);
      if (changes(i, wanted)) return;
      written = static_cast<verifier::RegisterSet>(written | writes_of(step));
    }
  }

  // The only block that goes on here; kNone if there are several, or none. What was decided goes one way only.
  [[nodiscard]] std::uint32_t sole_predecessor(std::uint32_t block) const {
    std::uint32_t found = program::kNone;
    if (block == 0) return found;
    for (const std::uint32_t before : program_.blocks()[block].predecessors) {
      if (!leads(before, block)) continue;
      if (found != program::kNone) return program::kNone;
      found = before;
    }
    return found;
  }
  [[nodiscard]] bool leads(std::uint32_t from, std::uint32_t to) const {
    const program::Block& block = program_.blocks()[from];
    const std::uint32_t begin = program_.blocks()[to].begin;
    const Step& last = code_.steps[block.end - 1];
    if (!code_.facts(block.begin).reachable) return false;
    if (last.kind == Kind::jump) return last.target == begin;
    return block.end == begin || (last.kind == Kind::branch && last.target == begin);
  }

  static void pass_on(const Step& store, verifier::RegisterSet written, Step& load) {
    if (store.has_imm) {
      const std::uint64_t mask = load.bytes == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * load.bytes) - 1;
      load = {.kind = Kind::constant, .dst = load.dst, .imm = store.imm & mask};
      return;
    }
    if ((written & bit(store.src)) != 0) return;
    if (load.bytes == 8) {
      load = {.kind = Kind::alu, .dst = load.dst, .src = store.src, .alu = Alu::mov};
    } else {
      load = {.kind = Kind::truncate, .dst = load.dst, .src = store.src, .bytes = load.bytes};
    }
  }

  // Whether a step may write to these bytes.
  [[nodiscard]] bool changes(std::uint32_t at, const Range& range) const {
    switch (code_.steps[at].kind) {
      case Kind::store:
      case Kind::atomic: {
        const auto reached = stack_range(at);
        return reached && reached->meets(range);
      }
      case Kind::call_helper:
      case Kind::call_function:
      case Kind::tail_call:
      case Kind::load_packet:
        return true;
      default:
        return false;
    }
  }

  // ---- stores ----

  void note_reads() {
    for (std::uint32_t at = 0; at < code_.steps.size(); ++at) {
      if (!code_.facts(at).reachable) continue;
      switch (code_.steps[at].kind) {
        case Kind::load:
        case Kind::load_swapped:
        case Kind::atomic:
          if (const auto range = stack_range(at)) reads_.push_back(*range);
          break;
        case Kind::look_up_index:
          if (!code_.steps[at].has_imm && code_.steps[at].index == kNoIndex) note_arguments(at);
          break;
        case Kind::call_helper:
        case Kind::look_up:
        case Kind::look_up_key:
        case Kind::sum:
          note_arguments(at);
          break;
        default:
          break;
      }
    }
  }

  void note_arguments(std::uint32_t call) {
    const verifier::CallFact& fact = code_.facts(call).call;
    if (fact.arguments == program::kNone || follows_pointers(fact.helper)) return reads_.push_back({});
    const isa::HelperRow* helper = isa::find_helper(fact.helper);
    const auto kinds = isa::helper_args(*helper, program_.type());
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      note_argument(kinds[i], code_.program->call_arguments()[fact.arguments][i]);
    }
  }

  // What may be a pointer to the stack, and how far the helper may read there.
  void note_argument(isa::Arg kind, const verifier::ArgumentFact& argument) {
    using isa::Arg;
    constexpr Arg kNoMemory[] = {Arg::none,      Arg::const_size, Arg::const_size_or_zero, Arg::const_alloc_size,
                                 Arg::const_map, Arg::ctx};
    if (std::ranges::find(kNoMemory, kind) != std::end(kNoMemory)) return;
    const bool number = kind == Arg::anything && argument.region == Region::unknown && argument.value.max <= UINT32_MAX;
    if (number || (argument.region != Region::stack && argument.region != Region::unknown)) return;
    const bool known = argument.region == Region::stack && argument.bytes != 0 && argument.offset_min >= 0 &&
                       argument.offset_max <= isa::kStackBytes;
    reads_.push_back(known ? Range{argument.offset_min, argument.offset_max + static_cast<std::int64_t>(argument.bytes)}
                           : Range{});
  }

  // Those that print: %s is a pointer that no row types.
  [[nodiscard]] static bool follows_pointers(std::uint32_t helper) {
    using exec::HelperId;
    constexpr HelperId kPrint[] = {HelperId::trace_printk, HelperId::trace_vprintk, HelperId::snprintf,
                                   HelperId::seq_printf};
    return std::ranges::find(kPrint, static_cast<HelperId>(helper)) != std::end(kPrint);
  }

  [[nodiscard]] bool is_dead_store(std::uint32_t at) const {
    if (code_.steps[at].kind != Kind::store || !is_exact(at)) return false;
    const Range range = *stack_range(at);
    return std::ranges::none_of(reads_, [&](const Range& read) { return read.meets(range); });
  }

  Code& code_;
  const program::Program& program_;
  std::vector<Range> reads_;
};

}  // namespace

void forward(Code& code) { Forwarder(code).run(); }

}  // namespace forager::jit
