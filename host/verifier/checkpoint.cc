// SPDX-License-Identifier: Apache-2.0
#include "verifier/checkpoint.h"

#include <algorithm>
#include <utility>

namespace forager::verifier {
namespace {

constexpr std::uint64_t bit(unsigned n) { return std::uint64_t{1} << n; }

bool says_nothing(const Slot& slot) {
  return std::ranges::all_of(slot.bytes, [](Byte b) { return b == Byte::invalid; });
}

void keep_regs(const Frame& frame, std::uint8_t number, Checkpoint& out) {
  Checkpoint::KeptFrame& kept = out.frames[number];
  for (std::uint8_t i = 0; i < isa::kRegisters; ++i) {
    const Reg& reg = frame.regs[i];
    if (reg.is_scalar()) kept.marks.scalar_regs |= static_cast<RegisterSet>(bit(i));
    if ((kept.live & bit(i)) != 0) out.regs.push_back({number, i, reg});
  }
}

void keep_slots(const Frame& frame, std::uint8_t number, Checkpoint& out) {
  for (std::size_t i = 0; i < frame.slots.size(); ++i) {
    const Slot& slot = frame.slots[i];
    if (says_nothing(slot)) continue;
    u32 reg = program::kNone;
    if (slot.is_spill() || slot.is_dynptr()) {
      reg = static_cast<u32>(out.slot_regs.size());
      out.slot_regs.push_back(slot.reg);
      if (slot.reg.is_scalar()) out.frames[number].marks.scalar_slots |= bit(static_cast<unsigned>(i));
    }
    out.slots.push_back({number, static_cast<std::uint8_t>(i), slot.bytes, reg});
  }
}

}  // namespace

std::shared_ptr<Checkpoint> keep(const State& state, std::span<const RegisterSet> live) {
  auto out = std::make_shared<Checkpoint>();
  out->at = state.at;
  out->depth = state.depth;
  out->callback_unroll_depth = state.callback_unroll_depth;
  out->references = state.references;
  out->frames.reserve(state.frames.size());
  for (std::size_t i = 0; i < state.frames.size(); ++i) {
    const Frame& frame = state.frames[i];
    out->frames.push_back({.call_site = frame.call_site,
                           .subprogram = frame.subprogram,
                           .callback_depth = frame.callback_depth,
                           .async_entries = frame.async_entries,
                           .kind = frame.kind,
                           .live = live[i],
                           .marks = {.written_before = frame.written}});
    keep_regs(frame, static_cast<std::uint8_t>(i), *out);
    keep_slots(frame, static_cast<std::uint8_t>(i), *out);
  }
  return out;
}

std::size_t Checkpoint::bytes() const {
  return sizeof *this + frames.capacity() * sizeof(KeptFrame) + regs.capacity() * sizeof(KeptReg) +
         slots.capacity() * sizeof(KeptSlot) + slot_regs.capacity() * sizeof(Reg) +
         references.capacity() * sizeof(Reference) + steps.capacity() * sizeof(Step);
}

// A chain of parents may be long: it is taken down one by one, not by recursion.
Checkpoint::~Checkpoint() {
  std::shared_ptr<Checkpoint> next = std::move(parent);
  while (next != nullptr && next.use_count() == 1) next = std::exchange(next->parent, nullptr);
}

}  // namespace forager::verifier
