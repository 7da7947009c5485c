// SPDX-License-Identifier: Apache-2.0
//
// `x = *p; x += y; *p = x` as one atomic: it is done in a turn, and nobody comes between. What a program means by
// counting so is never less than that.
#include <optional>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/schedule.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

constexpr std::size_t kNone = SIZE_MAX;
constexpr std::uint32_t kMapAndScale = 0xff;  // of an immediate with on_map

class Counter {
 public:
  Counter(FlowBlock& block, const FlowLiveness& liveness) : block_(block), liveness_(liveness) {}

  void run() {
    for (std::size_t at = 0; at < size(); ++at) join(at);
  }

 private:
  // What stands where: the load, what is made of its result, and the store of that.
  struct Places {
    std::size_t load, change, store;
  };

  [[nodiscard]] std::size_t size() const { return block_.operations.size(); }
  [[nodiscard]] const Operation& operation(std::size_t at) const { return block_.operations[at]; }

  void join(std::size_t store) {
    if (!may_be_atomic(operation(store))) return;
    const std::size_t change = writer(store, operation(store).slot.b);
    if (change == kNone) return;
    const Slot& made_by = operation(change).slot;
    if (!made_by.a_state && join({writer(change, made_by.a), change, store}, made_by.use_imm ? kNoOperand : made_by.b))
      return;
    if (!made_by.use_imm) join({writer(change, made_by.b), change, store}, made_by.a_state ? kNoOperand : made_by.a);
  }

  // The other operand is in a register, or in the change itself.
  bool join(const Places& at, std::uint8_t other) {
    if (at.load == kNone || !same_place(operation(at.load).slot, operation(at.store).slot)) return false;
    auto made = atomic_of(operation(at.store).slot, operation(at.change).slot, other);
    if (!made || !only_passes(at) || !undisturbed(at, *made)) return false;
    Slot& change = block_.operations[at.change].slot;
    if (change.a_state) {
      change = {.op = CoreOp::AluAdd, .d = change.d, .a = change.a, .use_imm = true, .a_state = true};
      made->b = change.d;
    }
    block_.operations[at.store].slot = *made;
    return true;
  }

  static bool may_be_atomic(const Operation& store) {
    const Slot& slot = store.slot;
    const bool plain = class_of(slot.op) == CoreClass::Store && (static_cast<unsigned>(slot.op) & 0xc) == 0;
    const bool there =
        store.reach.region == verifier::Region::map_value || store.reach.region == verifier::Region::stack;
    return plain && there && store.reach.aligned && bytes_of(slot.op) >= 4 && !slot.use_imm;
  }

  [[nodiscard]] std::size_t writer(std::size_t before, std::uint8_t reg) const {
    for (std::size_t at = before; at-- > 0;) {
      if ((writes_of(operation(at)) & only(reg)) != 0) return at;
    }
    return kNone;
  }

  static std::optional<CoreOp> atomic_for(CoreOp change) {
    switch (change) {
      case CoreOp::AluAdd:
      case CoreOp::AluSub:
        return CoreOp::AtomicAdd;
      case CoreOp::AluOr:
        return CoreOp::AtomicOr;
      case CoreOp::AluAnd:
        return CoreOp::AtomicAnd;
      case CoreOp::AluXor:
        return CoreOp::AtomicXor;
      default:
        return std::nullopt;
    }
  }

  static std::optional<Slot> atomic_of(const Slot& store, const Slot& change, std::uint8_t other) {
    const auto op = atomic_for(change.op);
    const unsigned bytes = bytes_of(store.op);
    const bool subtracts = change.op == CoreOp::AluSub;
    if (!op || (bytes == 8 && !change.wide) || (subtracts && !change.use_imm)) return std::nullopt;
    if (change.a_state && change.op != CoreOp::AluAdd) return std::nullopt;
    Slot made = store;
    made.op = *op;
    made.wide = bytes == 8;
    if (!change.use_imm) {
      made.b = other;
      return made;
    }
    const std::int64_t imm = static_cast<std::int32_t>(change.imm), value = subtracts ? -imm : imm;
    if (made.on_map ? value < OnMap::kLeast || value > OnMap::kMost : value > INT32_MAX) return std::nullopt;
    made.use_imm = true;
    made.imm = made.on_map ? (made.imm & kMapAndScale) | static_cast<std::uint32_t>(value) << 8
                           : static_cast<std::uint32_t>(value);
    return made;
  }

  static bool same_place(const Slot& load, const Slot& store) {
    if (class_of(load.op) != CoreClass::Load ||
        (static_cast<unsigned>(load.op) & 0xf) != (static_cast<unsigned>(store.op) & 3))
      return false;
    const bool same_map =
        load.on_map == store.on_map && (!load.on_map || (load.imm & kMapAndScale) == (store.imm & kMapAndScale));
    return same_map && load.a == store.a && load.a_state == store.a_state && load.offset == store.offset;
  }

  // What was loaded and what became of it is for this store alone.
  [[nodiscard]] bool only_passes(const Places& places) const {
    const Registers loaded = only(operation(places.load).slot.d), result = only(operation(places.change).slot.d);
    for (std::size_t at = places.load + 1; at < places.store; ++at) {
      const Registers gone = at < places.change ? loaded : static_cast<Registers>(loaded | result);
      if (at != places.change && (reads_of(operation(at)) & gone) != 0) return false;
      if (leaves(operation(at).slot) && (live_at_target(operation(at)) & (loaded | result)) != 0) return false;
    }
    const Slot& store = operation(places.store).slot;
    if (!store.a_state && (only(store.a) & (result | loaded)) != 0) return false;
    return (live_after(places.store) & (loaded | result)) == 0;
  }
  [[nodiscard]] Registers live_at_target(const Operation& operation) const {
    return operation.target == program::kNone ? Registers{0xffff} : liveness_.at_begin(operation.target);
  }
  [[nodiscard]] Registers live_after(std::size_t store) const {
    Registers live = liveness_.at_end(block_);
    for (std::size_t at = size(); at-- > store + 1;) live = liveness_.before(block_, operation(at), live);
    return live;
  }

  // Address and operand stay, and nobody else writes there.
  [[nodiscard]] bool undisturbed(const Places& places, const Slot& made) const {
    const Registers base = made.a_state ? Registers{0} : only(made.a);
    const bool in_register = !made.use_imm && made.b != kNoOperand;
    const Registers operand = in_register ? only(made.b) : Registers{0};
    for (std::size_t at = places.load; at < places.store; ++at) {
      const Operation& one = operation(at);
      if ((writes_of(one) & base) != 0 || (at >= places.change && (writes_of(one) & operand) != 0)) return false;
      const CoreClass of = class_of(one.slot.op);
      if (of == CoreClass::Unit || of == CoreClass::Control) return false;
      const bool writes = of == CoreClass::Store || of == CoreClass::Atomic;
      if (writes && may_meet(one.reach, operation(places.store).reach)) return false;
    }
    return true;
  }

  static constexpr std::uint8_t kNoOperand = 0xff;
  FlowBlock& block_;
  const FlowLiveness& liveness_;
};

}  // namespace

void count_at_once(Flow& flow) {
  const FlowLiveness liveness(flow);
  for (FlowBlock& block : flow.blocks) Counter(block, liveness).run();
}

}  // namespace forager::jit::rtl
