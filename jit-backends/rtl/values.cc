// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/values.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

using Base = Value::Base;

std::uint64_t bits_of(const Value& value) { return static_cast<std::uint64_t>(value.offset); }
std::uint64_t low(std::uint64_t value, unsigned bits) { return bits >= 64 ? value : value & ((1ULL << bits) - 1); }

bool keeps_packet(CoreOp op) {
  switch (op) {
    case CoreOp::UnitMul:
    case CoreOp::UnitDiv:
    case CoreOp::UnitMod:
    case CoreOp::UnitSdiv:
    case CoreOp::UnitSmod:
    case CoreOp::UnitLookup:
    case CoreOp::UnitUpdate:
    case CoreOp::UnitDelete:
    case CoreOp::UnitRedirectMap:
    case CoreOp::UnitRedirect:
      return true;
    default:
      return class_of(op) != CoreClass::Unit && op != CoreOp::ControlCall;
  }
}

std::uint8_t bits_needed(const Value& value) {
  return value.is_constant() ? static_cast<std::uint8_t>(std::bit_width(bits_of(value))) : 64;
}

// ---- arithmetic on sums ----

std::optional<Value> add(const Value& a, const Value& b) {
  if (b.base != Base::none || (a.is_constant() && !b.is_constant())) {
    if (a.base != Base::none) return std::nullopt;
    return add(b, a);
  }
  Value sum = a;
  if (b.has_register()) {
    // An index is only of use to a map's address.
    if (a.base != Base::map || a.has_register()) return std::nullopt;
    sum.reg = b.reg;
    sum.shift = b.shift;
  }
  sum.offset = static_cast<std::int64_t>(bits_of(a) + bits_of(b));
  return sum;
}

std::optional<Value> subtract(const Value& a, const Value& b) {
  if (b.is_constant()) return add(a, constant(0 - bits_of(b)));
  if (a.is_state(CoreState::DataEnd) && b.is_state(CoreState::Data))
    return Value{.base = Base::state, .state = CoreState::Length, .offset = a.offset - b.offset};
  return std::nullopt;
}

std::optional<Value> shift_left(const Value& a, const Value& b, std::uint8_t bits) {
  if (!b.is_constant() || !a.is_copy() || bits > 32) return std::nullopt;
  if (std::ranges::find(OnMap::kScales, bits_of(b)) == OnMap::kScales.end()) return std::nullopt;
  Value out = a;
  out.shift = static_cast<std::uint8_t>(b.offset);
  return out;
}

std::optional<std::uint64_t> of_constants(const Slot& slot, std::uint64_t a, std::uint64_t b) {
  const unsigned width = slot.wide ? 64 : 32;
  const unsigned amount = b % width;
  const unsigned bytes = 8U << (slot.offset & 3);
  if (!slot.wide) a = low(a, 32);
  switch (slot.op) {
    case CoreOp::AluOr:
      return a | b;
    case CoreOp::AluAnd:
      return a & b;
    case CoreOp::AluXor:
      return a ^ b;
    case CoreOp::AluLsh:
      return a << amount;
    case CoreOp::AluRsh:
      return a >> amount;
    case CoreOp::AluAdd:
      return a + b;
    case CoreOp::AluSub:
      return a - b;
    case CoreOp::AluMov:
      return b;
    case CoreOp::UnitMul:
      return a * b;
    case CoreOp::AluRotl:
      return amount == 0 ? a : a << amount | low(a, width) >> (width - amount);
    case CoreOp::AluSwap:
      return std::byteswap(a) >> (64 - bytes);
    case CoreOp::AluNeg:
      return 0 - a;
    case CoreOp::AluZext:
      return low(a, bytes);
    default:
      return std::nullopt;
  }
}

// Of operations of 64 bits.
std::optional<Value> sum_of(const Slot& slot, const Value& a, const Value& b, std::uint8_t a_bits) {
  switch (slot.op) {
    case CoreOp::AluMov:
      return b;
    case CoreOp::AluAdd:
      return add(a, b);
    case CoreOp::AluSub:
      return subtract(a, b);
    case CoreOp::AluLsh:
      return shift_left(a, b, a_bits);
    case CoreOp::AluOr:
    case CoreOp::AluXor:
      if (b == constant(0)) return a;
      return a == constant(0) ? std::optional(b) : std::nullopt;
    case CoreOp::AluAnd:
      if (b.is_constant() && low(bits_of(b), a_bits) == low(~0ULL, a_bits)) return a;
      return std::nullopt;
    case CoreOp::AluZext:
      if (a_bits <= (8U << (slot.offset & 3))) return a;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

// Bits of a result that is not known otherwise.
std::uint8_t width_of(const Slot& slot, const Value& b, std::uint8_t a_bits, std::uint8_t b_bits) {
  const std::uint8_t most = slot.wide ? 64 : 32;
  switch (slot.op) {
    case CoreOp::AluMov:
      return std::min(most, b_bits);
    case CoreOp::AluZext:
    case CoreOp::AluSwap:
      return static_cast<std::uint8_t>(8U << (slot.offset & 3));
    case CoreOp::AluAnd:
      return std::min({most, a_bits, b_bits});
    case CoreOp::AluOr:
    case CoreOp::AluXor:
      return std::min(most, std::max(a_bits, b_bits));
    case CoreOp::UnitMul:
      return static_cast<std::uint8_t>(std::min<unsigned>(most, a_bits + b_bits));
    case CoreOp::AluLsh:
      if (!b.is_constant()) return most;
      return static_cast<std::uint8_t>(std::min<std::uint64_t>(most, a_bits + bits_of(b) % most));
    case CoreOp::AluRsh:
      if (!b.is_constant()) return std::min(most, a_bits);
      return static_cast<std::uint8_t>(std::min(most, a_bits) -
                                       std::min<std::uint64_t>(bits_of(b) % most, std::min(most, a_bits)));
    default:
      return most;
  }
}

// A multiple of 16 that moves by one.
bool stays_in_pairs(const Slot& slot, const State& at, const Value& b) {
  if (!slot.wide || slot.a_state) return false;
  if (slot.op == CoreOp::AluMov) return !slot.use_imm && at.known[slot.b].pairs;
  return slot.op == CoreOp::AluAdd && at.known[slot.a].pairs && b.is_constant() && b.offset % 16 == 0;
}

Known of_alu(const Slot& slot, const State& at) {
  const Value a = first_operand(slot, at), b = second_operand(slot, at);
  const auto bits = [&](bool immediate, std::uint8_t reg, const Value& value) {
    if (value.is_constant()) return bits_needed(value);
    return immediate ? std::uint8_t{64} : at.known[reg].bits;
  };
  const std::uint8_t a_bits = bits(slot.a_state, slot.a, a), b_bits = bits(slot.use_imm, slot.b, b);
  const std::uint8_t width = width_of(slot, b, a_bits, b_bits);
  if ((a.is_constant() || !reads_a(slot.op)) && (b.is_constant() || !reads_b(slot.op))) {
    if (const auto value = of_constants(slot, bits_of(a), bits_of(b))) {
      const Value known = constant(slot.wide ? *value : low(*value, 32));
      return {.value = known, .bits = bits_needed(known)};
    }
  }
  // 32 bits are as good as 64 where nothing is above them.
  const bool whole = slot.wide || (slot.op == CoreOp::AluMov && b_bits <= 32) ||
                     (slot.op == CoreOp::AluZext && a_bits <= 32) ||
                     ((slot.op == CoreOp::AluOr || slot.op == CoreOp::AluXor) && a_bits <= 32 && b_bits <= 32);
  const auto sum = whole ? sum_of(slot, a, b, a_bits) : std::nullopt;
  return {.value = sum.value_or(register_itself(slot.d)),
          .bits = sum && sum->is_constant() ? bits_needed(*sum) : width,
          .pairs = stays_in_pairs(slot, at, b)};
}

Known of_constant_pair(const Operation& operation, const ChipPlan& plan) {
  const Known unknown{.value = register_itself(operation.slot.d)};
  if (!operation.relocation) {
    const std::uint64_t high = operation.beside ? operation.beside->imm : 0;
    const Value value = constant(high << 32 | operation.slot.imm);
    return {.value = value, .bits = bits_needed(value)};
  }
  const Relocation& of = *operation.relocation;
  const ChipMap* map = of.kind == Relocation::Kind::map_value ? plan.find(of.index) : nullptr;
  if (map == nullptr || map->kind != CoreMap::Array || map->redirects || of.index >= kMapsInTable) return unknown;
  return {.value = {.base = Base::map, .map = static_cast<std::uint8_t>(of.index), .offset = of.offset}};
}

std::uint8_t bits_of_load(const Slot& slot) {
  const unsigned function = static_cast<unsigned>(slot.op) & 0xf;
  if ((function & 7) == kSixBytes) return 48;
  return (function & kSigned) != 0 ? 64 : static_cast<std::uint8_t>(8U << (function & 3));
}

// A map by pointer is not known.
bool finds_pairs(const Slot& slot, const ChipPlan& plan) {
  if ((slot.offset & kMapByPointer) != 0) return false;
  const ChipMap* map = plan.find(slot.offset & (kMapsInTable - 1));
  return map != nullptr && map->in_pairs();
}

// Of state that stays as it is, unless the packet's edges move.
bool is_steady(CoreState state) { return state <= CoreState::Cpu || state == CoreState::Length; }

std::uint8_t bits_of_state(CoreState state) {
  const bool number = state == CoreState::Port || state == CoreState::Queue || state == CoreState::Cpu;
  return number ? 32 : 64;
}

// The host may write all of the frame; who writes somewhere that is not known to be elsewhere, too.
void write_stack(const Operation& operation, State& at) {
  using verifier::Region;
  const Slot& slot = operation.slot;
  const CoreClass of = class_of(slot.op);
  if (slot.op == CoreOp::UnitHost) return at.stack.forget_all();
  if (of != CoreClass::Store && of != CoreClass::Atomic) return;
  const Reach& reach = operation.reach;
  if (reach.region != Region::stack && reach.region != Region::unknown) return;
  const bool own = reach.region == Region::stack && reach.frame == 0 && reach.first <= reach.last;
  if (!own) return at.stack.forget_all();
  const auto bytes = of == CoreClass::Store ? bytes_of_stack(slot, at) : std::nullopt;
  if (!bytes) return at.stack.forget({.first = reach.first, .count = reach.last - reach.first + 1});
  const Value value = second_operand(slot, at);
  const std::uint8_t bits = slot.use_imm || value.is_constant() ? bits_needed(value) : at.known[slot.b].bits;
  at.stack.store(*bytes, {.value = value, .bits = bits});
}

}  // namespace

bool Value::moves_with_packet() const {
  constexpr CoreState kOfPacket[] = {CoreState::Data, CoreState::DataEnd, CoreState::DataMeta, CoreState::Length};
  return base == Base::state && std::ranges::find(kOfPacket, state) != std::end(kOfPacket);
}

State::State() {
  for (std::uint8_t reg = 0; reg < kRegisters; ++reg) known[reg].value = register_itself(reg);
}

void State::set(std::uint8_t reg, const Known& to) {
  if (reg == isa::kFramePointer) return;
  for (std::uint8_t other = 0; other < kRegisters; ++other) {
    if (known[other].value.reg == reg) known[other].value = register_itself(other);
  }
  stack.forget_register(reg);
  outcomes.forget_register(reg);
  known[reg] = to;
  if (to.value.reg == reg) known[reg].value = register_itself(reg);
}

void State::refine(std::uint8_t reg, const Value& to) {
  const Known before = known[reg];
  if (before.value.is_constant() || reg == isa::kFramePointer) return;
  for (std::uint8_t other = 0; other < kRegisters; ++other) {
    const bool same = other == reg || (before.value.is_copy() && known[other].value == before.value) ||
                      (before.value.is_copy() && other == before.value.reg);
    if (same) known[other] = {.value = to, .bits = bits_needed(to)};
  }
}

void State::forget_packet() {
  packet_bytes = 0;
  stack.forget_packet();
  outcomes.forget_packet();
  for (std::uint8_t reg = 0; reg < kRegisters; ++reg) {
    if (known[reg].value.moves_with_packet()) known[reg].value = register_itself(reg);
  }
}

bool State::meet(const State& other) {
  bool less = other.packet_bytes < packet_bytes;
  packet_bytes = std::min(packet_bytes, other.packet_bytes);
  for (std::uint8_t reg = 0; reg < kRegisters; ++reg) {
    const Known before = known[reg];
    known[reg].bits = std::max(before.bits, other.known[reg].bits);
    known[reg].pairs = before.pairs && other.known[reg].pairs;
    if (!(before.value == other.known[reg].value)) known[reg].value = register_itself(reg);
    less = less || known[reg].bits != before.bits || known[reg].pairs != before.pairs ||
           !(known[reg].value == before.value);
  }
  less = stack.meet(other.stack) || less;
  less = outcomes.meet(other.outcomes) || less;
  return less;
}

Value first_operand(const Slot& slot, const State& at) {
  if (slot.a_state) {
    const auto state = static_cast<CoreState>(slot.a);
    return state == CoreState::Zero ? constant(0) : Value{.base = Base::state, .state = state};
  }
  return at.known[slot.a].value;
}

Value second_operand(const Slot& slot, const State& at) {
  if (!slot.use_imm) return at.known[slot.b].value;
  const auto imm = static_cast<std::int64_t>(static_cast<std::int32_t>(slot.imm));
  return {.offset = slot.on_map ? imm >> 8 : imm};
}

Known result_of(const Operation& operation, const State& at, bool native, const ChipPlan& plan) {
  const Slot& slot = operation.slot;
  const Known unknown{.value = register_itself(slot.d)};
  switch (class_of(slot.op)) {
    case CoreClass::Unit:
      if (slot.op == CoreOp::UnitLookup) return {.value = unknown.value, .pairs = finds_pairs(slot, plan)};
      return slot.op == CoreOp::UnitMul ? of_alu(slot, at) : unknown;
    case CoreClass::Alu:
      return slot.op == CoreOp::AluWide ? of_constant_pair(operation, plan) : of_alu(slot, at);
    case CoreClass::Load:
      if (const auto bytes = bytes_of_stack(slot, at)) {
        if (const auto stored = at.stack.load(*bytes)) return *stored;
      }
      return {.value = unknown.value, .bits = bits_of_load(slot)};
    case CoreClass::Local:
      if (slot.op != CoreOp::LocalState || !native || !is_steady(static_cast<CoreState>(slot.a))) return unknown;
      return {.value = first_operand(slot, at), .bits = bits_of_state(static_cast<CoreState>(slot.a))};
    default:
      return unknown;
  }
}

void step_over(const Operation& operation, State& at, bool native, const ChipPlan& plan) {
  const Slot& slot = operation.slot;
  if (slot.op == CoreOp::ControlCall) {
    at = {};
    return;
  }
  if (!keeps_packet(slot.op)) at.forget_packet();
  write_stack(operation, at);
  if (writes_result(slot)) at.set(slot.d, result_of(operation, at, native, plan));
}

}  // namespace forager::jit::rtl
