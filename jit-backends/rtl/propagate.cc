// SPDX-License-Identifier: Apache-2.0
//
// Values go from block to block until nothing changes (values.h); then operations are written anew by what is known
// before them. The native version's entry is chosen here, too: by the longest prefix of a packet that the program asks
// for and that every Ethernet frame has.
#include <algorithm>
#include <optional>
#include <ranges>
#include <utility>

#include "jit-backends/rtl/compose.h"
#include "jit-backends/rtl/slots.h"
#include "jit-backends/rtl/variants.h"

namespace forager::jit::rtl {
namespace {

using Base = Value::Base;

constexpr std::uint32_t kShortestFrame = 60;  // of Ethernet, without its checksum

bool fits(std::int64_t value, std::int64_t least, std::int64_t most) { return value >= least && value <= most; }
std::uint8_t number_of(CoreState state) { return static_cast<std::uint8_t>(state); }

class Rewriter {
 public:
  Rewriter(FlowBlock& block, const State& at, const ChipPlan& plan, bool composes)
      : block_(block), at_(at), plan_(plan), composes_(composes) {}

  void run() {
    block_.known_bytes = at_.packet_bytes;
    std::vector<Operation> before = std::move(block_.operations);
    block_.operations.clear();
    for (const Operation& operation : before) {
      if (class_of(operation.slot.op) == CoreClass::Branch && !branch(operation)) return;
      if (class_of(operation.slot.op) != CoreClass::Branch) {
        Operation made = operation;
        rewrite(made);
        if (!composes_ || !compose(made)) block_.operations.push_back(made);
      }
      step_over(operation, at_, block_.native, plan_);
    }
  }

 private:
  // False: nothing of the block comes after it.
  bool branch(const Operation& operation) {
    const Comparison of = comparison(operation.slot, at_);
    if (of.decided == true) {
      block_.next = operation.target;
      return false;
    }
    if (!of.decided) {
      Operation made = operation;
      if (of.of_length && block_.native) {
        made.slot = {
            .op = *of.of_length, .a = number_of(CoreState::Length), .use_imm = true, .imm = of.bytes, .a_state = true};
      } else {
        operands(made.slot);
      }
      block_.operations.push_back(made);
    }
    learn(operation.slot, false, at_);
    return true;
  }

  void rewrite(Operation& operation) {
    Slot& slot = operation.slot;
    switch (class_of(slot.op)) {
      case CoreClass::Alu:
        return compute(operation);
      case CoreClass::Load:
        compute(operation);  // of the stack, whose words are known
        if (class_of(slot.op) == CoreClass::Load) access(operation);
        return;
      case CoreClass::Store:
      case CoreClass::Atomic:
        return access(operation);
      case CoreClass::Local:
        if (slot.op == CoreOp::LocalState && block_.native) return compute(operation);
        if (slot.op == CoreOp::LocalKeep) copy_second(slot);
        return;
      case CoreClass::Unit:
        if (slot.op == CoreOp::UnitMul) return compute(operation);
        if (reads_a(slot.op)) copy_first(slot);
        copy_second(slot);
        return;
      case CoreClass::Control:
        if (slot.op == CoreOp::ControlRet) second(slot);
        return;
      default:
        return;
    }
  }

  // ---- results ----

  void compute(Operation& operation) {
    Slot& slot = operation.slot;
    if (!writes_result(slot)) return;
    const Known known = result_of(operation, at_, block_.native, plan_);
    const Value& value = known.value;
    if (value.is_constant() && fits(value.offset, INT32_MIN, UINT32_MAX)) return mov(operation, value);
    if (value.is_copy() && value.reg != slot.d) {
      return replace(operation, {.op = CoreOp::AluMov, .d = slot.d, .b = value.reg});
    }
    if (value.shift == 0 && value.base != Base::map && !value.is_constant() && !value.is_copy() &&
        fits(value.offset, INT32_MIN, INT32_MAX)) {
      return sum(operation, value);
    }
    if (slot.op == CoreOp::UnitMul && known.bits <= 32) slot.wide = false;
    if (slot.op != CoreOp::AluWide && slot.op != CoreOp::LocalState) operands(slot);
  }
  static void replace(Operation& operation, const Slot& slot) {
    operation.slot = slot;
    operation.beside.reset();
    operation.relocation.reset();
  }
  static void mov(Operation& operation, const Value& value) {
    replace(operation, {.op = CoreOp::AluMov,
                        .wide = value.offset <= INT32_MAX,
                        .d = operation.slot.d,
                        .use_imm = true,
                        .imm = static_cast<std::uint32_t>(value.offset)});
  }
  // State or a register, and a constant.
  void sum(Operation& operation, const Value& value) const {
    const bool state = value.base == Base::state;
    if (state && !block_.native) return;
    replace(operation, {.op = CoreOp::AluAdd,
                        .d = operation.slot.d,
                        .a = state ? number_of(value.state) : value.reg,
                        .use_imm = true,
                        .imm = static_cast<std::uint32_t>(value.offset),
                        .a_state = state});
  }

  // ---- words of the stack that were written in parts ----

  // A word is put together in a register, and written as a whole: what wrote its parts may have been for this alone.
  bool compose(const Operation& load) {
    const auto bytes = class_of(load.slot.op) == CoreClass::Load ? bytes_of_stack(load.slot, at_) : std::nullopt;
    if (!bytes || !word_function(bytes->count)) return false;
    const auto parts = at_.stack.parts(*bytes);
    const bool apart = std::ranges::none_of(parts, [&](const auto& part) { return part.value.reg == load.slot.d; });
    if (parts.size() < 2 || !apart) return false;
    Composer composer(load, block_.operations);
    for (const auto& part : std::views::reverse(parts)) {
      if (!composer.add(part.value, part.bytes.count)) return false;
    }
    const auto constant = composer.constant();
    composer.finish();
    Operation store = load;
    store.slot.op =
        static_cast<CoreOp>(static_cast<unsigned>(CoreOp::Store) | (static_cast<unsigned>(load.slot.op) & 0xf));
    store.slot.b = load.slot.d;
    store.slot.d = 0;
    store.slot.use_imm = constant.has_value();
    store.slot.imm = constant.value_or(0);
    store.result = false;
    store.needs = program::kNone;
    block_.operations.push_back(store);
    return true;
  }
  static bool word_function(std::int64_t bytes) { return bytes == 4 || bytes == 8; }

  // ---- operands ----

  void operands(Slot& slot) const {
    if (reads_a(slot.op)) first(slot);
    second(slot);
  }
  void first(Slot& slot) const {
    const Value value = first_operand(slot, at_);
    if (block_.native && value.base == Base::state && value.is_state() && value.offset == 0) {
      slot.a = number_of(value.state);
      slot.a_state = true;
    } else {
      copy_first(slot);
    }
  }
  void copy_first(Slot& slot) const {
    const Value value = first_operand(slot, at_);
    if (!slot.a_state && value.is_copy()) slot.a = value.reg;
  }
  void second(Slot& slot) const {
    if (slot.use_imm || !reads_b(slot.op)) return;
    const Value value = at_.known[slot.b].value;
    const std::int64_t least = slot.on_map ? OnMap::kLeast : INT32_MIN;
    const std::int64_t most = slot.on_map ? OnMap::kMost : takes_half(slot) ? UINT32_MAX : INT32_MAX;
    if (value.is_constant() && fits(value.offset, least, most)) {
      slot.use_imm = true;
      slot.imm = slot.on_map ? slot.imm | static_cast<std::uint32_t>(value.offset) << 8
                             : static_cast<std::uint32_t>(value.offset);
    } else {
      copy_second(slot);
    }
  }
  // Of its second operand no more than 32 bits are looked at.
  static bool takes_half(const Slot& slot) {
    const CoreClass of = class_of(slot.op);
    if (of == CoreClass::Store) return bytes_of(slot.op) <= 4;
    return !slot.wide &&
           (of == CoreClass::Alu || of == CoreClass::Branch || of == CoreClass::Atomic || is_product(slot));
  }
  void copy_second(Slot& slot) const {
    if (slot.use_imm || !reads_b(slot.op)) return;
    const Value value = at_.known[slot.b].value;
    if (value.is_copy()) slot.b = value.reg;
  }

  // ---- addresses ----

  void access(Operation& operation) const {
    Slot& slot = operation.slot;
    const Value address = first_operand(slot, at_);
    const std::int64_t offset = address.offset + static_cast<std::int16_t>(slot.offset);
    const bool near = fits(address.offset, INT16_MIN, INT16_MAX) && fits(offset, INT16_MIN, INT16_MAX);
    operation.reach.pairs = !slot.on_map && address.base == Base::none && address.has_register() &&
                            address.shift == 0 && offset % 16 == 0 && at_.known[address.reg].pairs;
    if (!slot.a_state && !slot.on_map && near) take_apart(slot, address, static_cast<std::uint16_t>(offset));
    if (class_of(slot.op) != CoreClass::Load) second(slot);
    operation.needs = needs(operation);
  }
  void take_apart(Slot& slot, const Value& address, std::uint16_t offset) const {
    if (address.base == Base::map) return on_map(slot, address, offset);
    if (address.is_state()) {
      if (!block_.native) return;
      slot.a = number_of(address.state);
      slot.a_state = true;
    } else if (address.base == Base::none && address.has_register() && address.shift == 0) {
      slot.a = address.reg;
    } else {
      return;
    }
    slot.offset = offset;
  }
  void on_map(Slot& slot, const Value& address, std::uint16_t offset) const {
    const bool wraps = address.has_register() && address.shift == 0 && at_.known[address.reg].bits > 32;
    const auto immediate = static_cast<std::int32_t>(slot.imm);
    const bool has_value = slot.use_imm && class_of(slot.op) != CoreClass::Load;
    if (wraps || (has_value && !fits(immediate, OnMap::kLeast, OnMap::kMost))) return;
    const auto* scale = std::ranges::find(OnMap::kScales, unsigned{address.shift});
    const OnMap of = {.map = address.map,
                      .scale = static_cast<std::uint32_t>(scale - OnMap::kScales.begin()),
                      .value = has_value ? immediate : 0};
    slot.on_map = true;
    slot.imm = of.encoded();
    slot.a = address.has_register() ? address.reg : number_of(CoreState::Zero);
    slot.a_state = !address.has_register();
    slot.offset = offset;
  }

  // A load of the packet's first bytes, or of what is always there.
  static std::uint32_t needs(const Operation& operation) {
    const Slot& slot = operation.slot;
    const auto offset = static_cast<std::int16_t>(slot.offset);
    if (class_of(slot.op) != CoreClass::Load) return program::kNone;
    const bool state = slot.a_state && !slot.on_map && slot.a == number_of(CoreState::Data);
    if (state && offset >= 0) return static_cast<std::uint32_t>(offset) + bytes_of(slot.op);
    const Reach& reach = operation.reach;
    const bool own = reach.region == verifier::Region::stack && slot.a == isa::kFramePointer && !slot.a_state;
    if (own && reach.first <= reach.last) return 0;
    return slot.on_map && slot.a_state && reach.region == verifier::Region::map_value ? 0 : program::kNone;
  }

  FlowBlock& block_;
  State at_;
  const ChipPlan& plan_;
  bool composes_;
};

// The longest of what the native version compares the packet's length with.
std::uint32_t asked_for(const Flow& flow, const Propagation& values, const ChipPlan& plan) {
  std::uint32_t most = 0;
  for (std::uint32_t i = 0; i < flow.blocks.size(); ++i) {
    const FlowBlock& block = flow.blocks[i];
    if (!block.native || !values.at_begin(i)) continue;
    State at = *values.at_begin(i);
    for (const Operation& operation : block.operations) {
      if (class_of(operation.slot.op) == CoreClass::Branch) {
        const Comparison of = comparison(operation.slot, at);
        const bool one_more = of.of_length == CoreOp::BranchLe || of.of_length == CoreOp::BranchGt;
        const std::uint32_t bytes = of.of_length ? of.bytes + (one_more ? 1 : 0) : 0;
        if (bytes <= kShortestFrame) most = std::max(most, bytes);
      }
      step_over(operation, at, block.native, plan);
    }
  }
  return most;
}

}  // namespace

void choose_length(Flow& flow, const ChipPlan& plan) {
  Flow probe = flow;
  const Propagation asked(probe, plan);
  flow.long_bytes = asked_for(probe, asked, plan);
}

void propagate(Flow& flow, const ChipPlan& plan, bool composes) {
  const Propagation values(flow, plan);
  for (std::uint32_t i = 0; i < flow.blocks.size(); ++i) {
    FlowBlock& block = flow.blocks[i];
    if (const auto& at = values.at_begin(i)) {
      Rewriter(block, *at, plan, composes).run();
    } else {
      block.operations.clear();
      block.next = program::kNone;
    }
  }
}

}  // namespace forager::jit::rtl
