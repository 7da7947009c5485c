// SPDX-License-Identifier: Apache-2.0
//
// A load and the store that its value is for are a copy. Copies of neighbouring bytes to neighbouring bytes become one,
// of up to eight bytes: of the addresses of a packet, say, of which compilers move two bytes at a time.
#include <algorithm>
#include <iterator>
#include <optional>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/schedule.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

struct Copy {
  std::size_t load, store;
};

bool is_plain(const Slot& slot, CoreClass of) {
  const unsigned function = static_cast<unsigned>(slot.op) & 0xf;
  return class_of(slot.op) == of && (function <= 3 || function == kSixBytes);
}
std::optional<unsigned> function_for(unsigned bytes) {
  constexpr unsigned kFunctions[] = {0, 0, 1, 0, 2, 0, kSixBytes, 0, 3};
  if (bytes > 8 || bytes % 2 != 0) return std::nullopt;
  return kFunctions[bytes];
}
bool same_base(const Slot& a, const Slot& b) {
  return a.a == b.a && a.a_state == b.a_state && a.on_map == b.on_map && (!a.on_map || a.imm == b.imm);
}
bool follows(const Slot& first, const Slot& second) {
  return same_base(first, second) && static_cast<std::int16_t>(second.offset) ==
                                         static_cast<std::int16_t>(first.offset) + static_cast<int>(bytes_of(first.op));
}
bool is_known(const Reach& reach) { return reach.region != verifier::Region::unknown && reach.first <= reach.last; }

class Copier {
 public:
  Copier(FlowBlock& block, const FlowLiveness& liveness) : block_(block), liveness_(liveness) {}

  void run() {
    while (join_any()) {
    }
  }

 private:
  static constexpr std::size_t kFar = 48;  // operations that are looked through
  [[nodiscard]] const Operation& operation(std::size_t at) const { return block_.operations[at]; }
  [[nodiscard]] std::size_t size() const { return block_.operations.size(); }

  bool join_any() {
    const std::vector<Copy> copies = find_copies();
    for (const Copy& first : copies) {
      for (const Copy& second : copies) {
        if (joins(first, second)) return true;
      }
    }
    return false;
  }

  [[nodiscard]] std::vector<Copy> find_copies() const {
    std::vector<Registers> after(size());
    Registers live = liveness_.at_end(block_);
    for (std::size_t at = size(); at-- > 0;) {
      after[at] = live;
      live = liveness_.before(block_, operation(at), live);
    }
    std::vector<Copy> copies;
    for (std::size_t load = 0; load < size(); ++load) {
      if (!is_plain(operation(load).slot, CoreClass::Load) || !is_known(operation(load).reach)) continue;
      const std::size_t store = only_reader(load, after);
      if (store < size()) copies.push_back({load, store});
    }
    return copies;
  }

  // The store that is all that reads what was loaded; size() if there is none.
  [[nodiscard]] std::size_t only_reader(std::size_t load, const std::vector<Registers>& after) const {
    const std::uint8_t reg = operation(load).slot.d;
    for (std::size_t at = load + 1; at < std::min(size(), load + kFar); ++at) {
      const Operation& one = operation(at);
      if (leaves(one.slot) || (writes_of(one) & only(reg)) != 0) return size();
      if ((reads_of(one) & only(reg)) == 0) continue;
      const Slot& slot = one.slot;
      const bool copies = is_plain(slot, CoreClass::Store) && is_known(one.reach) && !slot.use_imm && slot.b == reg &&
                          (slot.a_state || slot.a != reg) && bytes_of(slot.op) == bytes_of(operation(load).slot.op);
      return copies && (after[at] & only(reg)) == 0 ? at : size();
    }
    return size();
  }

  bool joins(const Copy& first, const Copy& second) {
    const Slot &from = operation(first.load).slot, &other = operation(second.load).slot;
    const bool turned = bytes_of(from.op) == 4 && bytes_of(other.op) == 4 && follows(other, from);
    if (!turned && !follows(from, other)) return false;
    if (!follows(operation(first.store).slot, operation(second.store).slot)) return false;
    const auto function =
        function_for(bytes_of(operation(first.load).slot.op) + bytes_of(operation(second.load).slot.op));
    const Copy joined = {std::min(first.load, second.load), std::max(first.store, second.store)};
    const Copy gone = {std::max(first.load, second.load), std::min(first.store, second.store)};
    if (!function || !may_move(joined, gone)) return false;
    const auto reg = register_for(joined, first, second);
    if (!reg) return false;
    const auto put = [&](std::size_t at, std::size_t low, std::size_t high, CoreClass of) {
      Operation made = operation(low);
      made.slot.op = static_cast<CoreOp>(static_cast<unsigned>(of) << 4 | *function);
      made.reach.first = std::min(operation(low).reach.first, operation(high).reach.first);
      made.reach.last = std::max(operation(low).reach.last, operation(high).reach.last);
      made.reach.aligned = false;
      made.result = false;
      const bool known = operation(low).needs != program::kNone && operation(high).needs != program::kNone;
      made.needs = known ? std::max(operation(low).needs, operation(high).needs) : program::kNone;
      (of == CoreClass::Load ? made.slot.d : made.slot.b) = *reg;
      block_.operations[at] = made;
    };
    const Operation nothing{.slot = {}};
    const std::uint32_t instruction = operation(gone.store).instruction;
    put(joined.load, turned ? second.load : first.load, turned ? first.load : second.load, CoreClass::Load);
    put(joined.store, first.store, second.store, CoreClass::Store);
    block_.operations[gone.load] = block_.operations[gone.store] = nothing;
    // Halves that change places.
    if (turned) {
      block_.operations[gone.store] = {
          .slot = {.op = CoreOp::AluRotl, .d = *reg, .a = *reg, .use_imm = true, .imm = 32},
          .instruction = instruction};
    }
    return true;
  }

  // The later load goes up to the earlier one, the earlier store down to the later one.
  [[nodiscard]] bool may_move(const Copy& joined, const Copy& gone) const {
    for (std::size_t at = joined.load; at <= joined.store; ++at) {
      const Operation& one = operation(at);
      const CoreClass of = class_of(one.slot.op);
      if (leaves(one.slot) || of == CoreClass::Unit) return false;
      const bool writes = of == CoreClass::Store || of == CoreClass::Atomic;
      const bool between_loads = at > joined.load && at<gone.load, between_stores = at> gone.store && at < joined.store;
      if (between_loads && writes && may_meet(one.reach, operation(gone.load).reach)) return false;
      if (between_stores && (writes || of == CoreClass::Load) && at != gone.load &&
          may_meet(one.reach, operation(gone.store).reach))
        return false;
      if (at >= joined.load && at < gone.load && changes_base(at, gone.load)) return false;
      if (at >= gone.store && at < joined.store && changes_base(at, gone.store)) return false;
    }
    return gone.load < gone.store || !may_meet(operation(gone.load).reach, operation(gone.store).reach);
  }
  [[nodiscard]] bool changes_base(std::size_t at, std::size_t of) const {
    const Slot& slot = operation(of).slot;
    return !slot.a_state && (writes_of(operation(at)) & only(slot.a)) != 0;
  }

  // One of the two that nobody else uses meanwhile, or one of the compiler's.
  [[nodiscard]] std::optional<std::uint8_t> register_for(const Copy& joined, const Copy& first,
                                                         const Copy& second) const {
    Registers used = 0;
    for (std::size_t at = joined.load; at <= joined.store; ++at) {
      if (at == first.load || at == second.load) continue;
      used |= writes_of(operation(at));
      if (at != first.store && at != second.store) used |= reads_of(operation(at));
    }
    const std::uint8_t own = operation(joined.load).slot.d;
    const bool alone = operation(first.load).slot.d != operation(second.load).slot.d;
    if (alone && (used & only(own)) == 0) return own;
    Registers live = liveness_.at_end(block_);
    for (std::size_t at = size(); at-- > joined.load;) {
      used |= reads_of(operation(at)) | writes_of(operation(at));
      live = liveness_.before(block_, operation(at), live);
    }
    for (std::uint8_t reg = 11; reg < kUnusedRegister; ++reg) {
      if (((used | live) & only(reg)) == 0) return reg;
    }
    return std::nullopt;
  }

  FlowBlock& block_;
  const FlowLiveness& liveness_;
};

}  // namespace

void copy_together(Flow& flow) {
  const FlowLiveness liveness(flow);
  for (FlowBlock& block : flow.blocks) {
    Copier(block, liveness).run();
    std::erase_if(block.operations, [](const Operation& one) { return one.slot.op == CoreOp::AluNop; });
  }
}

}  // namespace forager::jit::rtl
