// SPDX-License-Identifier: Apache-2.0
//
// Conditional jumps: which ways are possible, and what each way teaches: ranges of numbers, pointers that are not null,
// bytes of the packet that exist (Linux check_cond_jmp_op).
#include <algorithm>
#include <utility>

#include "verifier/analysis.h"

namespace forager::verifier {

using isa::Form;

namespace {

// Linux reg_not_null.
bool is_never_null(const Reg& reg) {
  switch (reg.type) {
    case RegType::map:
    case RegType::map_value:
    case RegType::map_key:
    case RegType::memory:
    case RegType::socket:
    case RegType::socket_common:
    case RegType::tcp_socket:
      return true;
    case RegType::object:
      return reg.object != isa::KernelStruct::none;
    default:
      return false;
  }
}

// A comparison of a pointer that cannot be null with 0.
Outcome decide_null(Condition condition, const Reg& pointer, const Reg& number) {
  const bool zero = number.is_scalar() && number.scalar.is_constant() && number.scalar.value() == 0;
  if (!zero || pointer.maybe_null || !is_never_null(pointer)) return Outcome::unknown;
  if (condition == Condition::eq) return Outcome::never;
  return condition == Condition::ne ? Outcome::always : Outcome::unknown;
}

// A packet pointer that an earlier comparison showed to be at the packet's end, or beyond.
Outcome decide_packet(Condition condition, const Reg& packet) {
  if (packet.range >= 0) return Outcome::unknown;
  const bool beyond = packet.range == kBeyondPacketEnd;
  switch (condition) {
    case Condition::gt:
      return beyond ? Outcome::always : Outcome::unknown;
    case Condition::le:
      return beyond ? Outcome::never : Outcome::unknown;
    case Condition::ge:
      return Outcome::always;
    case Condition::lt:
      return Outcome::never;
    default:
      return Outcome::unknown;
  }
}

// A way on which no value is left is not taken. What the operands hold decides that, as it does for ranges.
Outcome decide_by_contradiction(Condition condition, unsigned width, const Reg& dst, const Reg& src) {
  if (!dst.is_scalar() || !src.is_scalar()) return Outcome::unknown;
  const auto possible = [&](Condition holds) {
    Scalar a = dst.scalar, b = src.scalar;
    return refine(holds, width, a, b);
  };
  if (!possible(condition)) return Outcome::never;
  return possible(opposite(condition)) ? Outcome::unknown : Outcome::always;
}

bool is_packet_pair(const Reg& start, const Reg& end) {
  if (start.type == RegType::packet && end.type == RegType::packet_end) return true;
  // data_meta is compared with data, as it came from the context.
  return start.type == RegType::packet_meta && end.type == RegType::packet && end.offset == 0 && end.id == 0 &&
         end.scalar.is_constant() && end.scalar.value() == 0;
}

Scalar shifted(const Scalar& value, Delta kind, s64 by) {
  if (kind == Delta::none) return value;
  return alu(Alu::add, kind == Delta::wide ? 64 : 32, value, Scalar::constant(static_cast<u64>(by)));
}

// Where start + offset <= end: so many bytes exist behind every pointer with this variable part.
void find_packet_bytes(State& state, const Reg& start, bool less) {
  if (start.offset < 0 || (start.offset == 0 && less)) return;
  const u64 furthest = start.scalar.u.max;
  if (furthest > kMaxPacketOffset || furthest + static_cast<u64>(start.offset) > kMaxPacketOffset) return;
  const s32 range = start.offset + (less ? 1 : 0);
  const auto type = start.type;
  const u32 id = start.id;
  state.for_each_reg([=](Reg& reg) {
    if (reg.type == type && reg.id == id) reg.range = std::max(reg.range, range);
  });
}

}  // namespace

Outcome Analysis::decide_jump(Condition condition, unsigned width, const Reg& dst, const Reg& src) const {
  if (dst.is_scalar() && src.is_scalar()) return decide(condition, width, dst.scalar, src.scalar);
  if (width == 32) return Outcome::unknown;
  if (dst.is_pointer() && src.is_pointer()) {
    if (src.type == RegType::packet_end) return decide_packet(condition, dst);
    if (dst.type == RegType::packet_end) return decide_packet(mirrored(condition), src);
    return Outcome::unknown;
  }
  return dst.is_pointer() ? decide_null(condition, dst, src) : decide_null(condition, src, dst);
}

Analysis::Flow Analysis::conditional_jump(const Instruction& insn) {
  const bool by_register = isa::row(insn.op).form == Form::jump_reg;
  const unsigned width = isa::row(insn.op).width;
  const Condition condition = condition_of(insn.op);
  const Reg src = by_register ? read_reg(insn.src) : constant_reg(insn.imm);
  const Reg dst = read_reg(insn.dst);

  Outcome outcome = decide_jump(condition, width, dst, src);
  if (outcome == Outcome::unknown) outcome = decide_by_contradiction(condition, width, dst, src);
  if (outcome != Outcome::unknown) {
    mark_precise(insn.dst);
    if (by_register) mark_precise(insn.src);
    const bool taken = outcome == Outcome::always;
    recorder_.branched(at_, taken);
    state_.at = taken ? insn.target : at_ + 1;
    return Flow::jumped;
  }
  recorder_.branched(at_, true);
  recorder_.branched(at_, false);
  // That a pointer is null, or not, follows from the number's being 0.
  if (by_register && dst.maybe_null && src.is_null()) mark_precise(insn.src);
  if (by_register && src.maybe_null && dst.is_null()) mark_precise(insn.dst);

  LinkedPlaces places;
  for (const Reg* reg : {&dst, by_register ? &src : nullptr}) {
    if (reg == nullptr || !reg->is_scalar() || reg->id == 0) continue;
    const LinkedPlaces more = places_of(reg->id);
    places.insert(places.end(), more.begin(), more.end());
  }
  if (places.size() > 1) {
    state_.steps.back().kind = Step::Kind::linked;
    state_.steps.back().linked = static_cast<u32>(state_.linked.size());
    state_.linked.push_back(places);
  }
  push_path(insn.target);
  learn(pending_.back(), condition, width, insn, dst, src, places);
  learn(state_, opposite(condition), width, insn, dst, src, places);
  return Flow::next;
}

// What holds on the way where the condition does.
void Analysis::learn(State& state, Condition condition, unsigned width, const Instruction& insn, const Reg& dst,
                     const Reg& src, const LinkedPlaces& places) {
  const bool by_register = isa::row(insn.op).form == Form::jump_reg;
  if (dst.is_scalar() && src.is_scalar()) {
    Scalar a = dst.scalar, b = src.scalar;
    const bool itself = by_register && insn.dst == insn.src;
    if (!itself) (void)refine(condition, width, a, b);
    state.regs()[insn.dst].scalar = a;
    if (by_register && !itself) {
      state.regs()[insn.src].scalar = b;
      spread(state, insn.src, places);
    }
    spread(state, insn.dst, places);
    return;
  }
  if (width == 32) return;
  learn_null(state, insn, condition);
  if (by_register && dst.is_pointer() && src.is_pointer()) learn_packet(state, insn, condition);
}

// Every place that holds the same number, or that number plus a constant, learns what the register learnt.
void Analysis::spread(State& state, u32 number, const LinkedPlaces& places) {
  const Reg known = state.regs()[number];
  if (known.id == 0) return;
  for (const Place& place : places) {
    Frame& frame = state.frames[place.frame];
    Reg& reg = place.is_slot ? frame.slots[place.index].reg : frame.regs[place.index];
    if (reg.id != known.id || !reg.is_scalar()) continue;
    if (reg.delta == known.delta && (known.delta == Delta::none || reg.offset == known.offset)) {
      reg.scalar = known.scalar;
      continue;
    }
    const Scalar value = shifted(known.scalar, known.delta, -s64{known.offset});
    reg.scalar = shifted(value, reg.delta, reg.offset);
  }
}

LinkedPlaces Analysis::places_of(u32 id) const {
  LinkedPlaces out;
  for (std::size_t f = 0; f < state_.frames.size(); ++f) {
    const Frame& frame = state_.frames[f];
    const auto number = static_cast<std::uint8_t>(f);
    for (std::uint8_t i = 0; i < isa::kRegisters; ++i) {
      if (frame.regs[i].is_scalar() && frame.regs[i].id == id) out.push_back({number, false, i});
    }
    for (std::size_t i = 0; i < frame.slots.size(); ++i) {
      const Slot& slot = frame.slots[i];
      if (slot.is_spill() && slot.reg.is_scalar() && slot.reg.id == id) {
        out.push_back({number, true, static_cast<std::uint8_t>(i)});
      }
    }
  }
  return out;
}

// A pointer that may be null was compared with null, or with a pointer that is not.
void Analysis::learn_null(State& state, const Instruction& insn, Condition condition) {
  if (condition != Condition::eq && condition != Condition::ne) return;
  const bool equal = condition == Condition::eq;
  const bool by_register = isa::row(insn.op).form == Form::jump_reg;
  const Reg dst = state.regs()[insn.dst];
  const Reg src = by_register ? state.regs()[insn.src] : constant_reg(insn.imm);
  if (dst.maybe_null && src.is_null()) {
    set_null(state, dst.id, equal, dst.reference);
  } else if (src.maybe_null && dst.is_null()) {
    set_null(state, src.id, equal, src.reference);
  } else if (equal && dst.is_pointer() && src.is_pointer() && dst.maybe_null != src.maybe_null &&
             dst.type != RegType::object && src.type != RegType::object) {
    Reg& shown = state.regs()[dst.maybe_null ? insn.dst : insn.src];
    const u32 id = shown.id, reference = shown.reference;
    set_null(state, id, false, reference);
  }
}

void Analysis::set_null(State& state, u32 id, bool null, u32 reference) {
  // Nothing was handed out, so nothing is to be given back.
  if (null && reference != 0 && reference == id) {
    std::erase_if(state.references, [&](const Reference& r) { return r.id == reference; });
  }
  state.for_each_reg([&](Reg& reg) {
    if (!reg.maybe_null || reg.id != id) return;
    if (null) {
      reg = constant_reg(0);
      return;
    }
    reg.maybe_null = false;
    // A value that holds a lock keeps its identity, by which the lock is told.
    const bool holds_lock = reg.type == RegType::map_value && !spec_of(reg).fields.empty();
    if (!holds_lock) reg.id = 0;
  });
}

void Analysis::learn_packet(State& state, const Instruction& insn, Condition condition) {
  Reg dst = state.regs()[insn.dst], src = state.regs()[insn.src];
  u32 number = insn.dst;
  if (is_packet_pair(src, dst)) {
    std::swap(dst, src);
    number = insn.src;
    condition = mirrored(condition);
  }
  if (!is_packet_pair(dst, src)) return;
  Reg& packet = state.regs()[number];
  switch (condition) {
    case Condition::lt:
      find_packet_bytes(state, dst, true);
      break;
    case Condition::le:
      find_packet_bytes(state, dst, false);
      break;
    case Condition::gt:
      if (packet.type == RegType::packet) packet.range = kBeyondPacketEnd;
      break;
    case Condition::ge:
      if (packet.type == RegType::packet) packet.range = kAtPacketEnd;
      break;
    default:
      break;
  }
}

}  // namespace forager::verifier
