// SPDX-License-Identifier: Apache-2.0
//
// Which numbers mattered: when a decision rests on a number (a branch, an offset, a size), everything that the number
// was computed from is marked precise in the checkpoints on the way (Linux mark_chain_precision). The others may
// differ, and a path may still stop at the checkpoint.
//
// The way is walked backwards, instruction by instruction, with the set of registers and slots still wanted. Where the
// walk is unsure it wants more, never less.
#include <algorithm>

#include "verifier/analysis.h"

namespace forager::verifier {

using isa::Form;

namespace {

constexpr SlotSet slot_bit(unsigned n) { return SlotSet{1} << n; }
constexpr RegisterSet kTraceable = static_cast<RegisterSet>(~register_bit(isa::kFramePointer));

bool is_wanted(const Place& place, const Wanted& wanted) {
  return place.is_slot ? (wanted.slots[place.frame] & slot_bit(place.index)) != 0
                       : (wanted.regs[place.frame] & register_bit(place.index)) != 0;
}

// Registers that a condition refined together matter together.
void want_linked(const LinkedPlaces& places, Wanted& wanted) {
  const auto hit = [&](const Place& place) { return is_wanted(place, wanted); };
  if (std::ranges::none_of(places, hit)) return;
  for (const Place& place : places) {
    if (place.is_slot) {
      wanted.slots[place.frame] |= slot_bit(place.index);
    } else {
      wanted.regs[place.frame] |= register_bit(place.index);
    }
  }
}

// Marks in the checkpoint what is a scalar there and not marked yet; only that is still wanted above it.
bool settle_at(Checkpoint& checkpoint, Wanted& wanted) {
  bool changed = false;
  for (std::size_t f = 0; f < isa::kMaxCallFrames; ++f) {
    if (f >= checkpoint.frames.size()) {
      wanted.regs[f] = 0;
      wanted.slots[f] = 0;
      continue;
    }
    FrameMarks& marks = checkpoint.frames[f].marks;
    wanted.regs[f] &= static_cast<RegisterSet>(marks.scalar_regs & ~marks.precise_regs);
    wanted.slots[f] &= marks.scalar_slots & ~marks.precise_slots;
    marks.precise_regs |= wanted.regs[f];
    marks.precise_slots |= wanted.slots[f];
    changed = changed || wanted.regs[f] != 0 || wanted.slots[f] != 0;
  }
  return changed;
}

}  // namespace

void Analysis::mark_precise(u32 reg) {
  if (!state_.regs()[reg].is_scalar()) return;
  Wanted wanted;
  wanted.regs[state_.current_frame()] = register_bit(reg);
  trace(state_, wanted, true);
}

void Analysis::mark_slot_precise(u32 frame, u32 slot) {
  Wanted wanted;
  wanted.slots[frame] = slot_bit(slot);
  trace(state_, wanted, true);
}

// skip_last: the last step is the instruction at hand, which asks about the state before it.
bool Analysis::trace(const State& state, Wanted wanted, bool skip_last) {
  if (wanted.empty()) return false;
  std::span<const Step> steps = state.steps;
  Later later{state.at, state.current_frame()};
  if (skip_last && !steps.empty()) {
    later = {steps.back().instruction, steps.back().frame};
    steps = steps.first(steps.size() - 1);
  }
  trace_steps(steps, state.linked, later, wanted);
  bool changed = false;
  for (Checkpoint* at = state.parent.get(); at != nullptr && !wanted.empty(); at = at->parent.get()) {
    if (!settle_at(*at, wanted)) return changed;
    changed = true;
    trace_steps(at->steps, at->linked, {at->at, static_cast<u32>(at->frames.size() - 1)}, wanted);
  }
  return changed;
}

void Analysis::trace_steps(std::span<const Step> steps, std::span<const LinkedPlaces> linked, Later later,
                           Wanted& wanted) const {
  for (std::size_t i = steps.size(); i-- > 0 && !wanted.empty();) {
    trace_step(steps[i], linked, later, wanted);
    later = {steps[i].instruction, steps[i].frame};
  }
}

void Analysis::trace_step(const Step& step, std::span<const LinkedPlaces> linked, const Later& later,
                          Wanted& wanted) const {
  const Instruction& insn = instruction(step.instruction);
  const isa::Row& row = isa::row(insn.op);
  RegisterSet& regs = wanted.regs[step.frame];
  const bool dst = (regs & register_bit(insn.dst)) != 0;
  const bool on_slot = step.kind == Step::Kind::slot;
  switch (row.form) {
    case Form::alu_imm:
      if (dst && !row.semantics.contains("dst")) regs &= static_cast<RegisterSet>(~register_bit(insn.dst));
      break;
    case Form::alu_reg:
      if (!dst) break;
      if (!row.semantics.contains("dst")) regs &= static_cast<RegisterSet>(~register_bit(insn.dst));
      regs |= register_bit(insn.src) & kTraceable;
      break;
    case Form::unary:
      break;
    case Form::wide:
      regs &= static_cast<RegisterSet>(~register_bit(insn.dst));
      break;
    case Form::load:
      regs &= static_cast<RegisterSet>(~register_bit(insn.dst));
      if (dst && on_slot) wanted.slots[step.slot_frame] |= slot_bit(step.slot);
      break;
    case Form::store_imm:
    case Form::store_reg:
      if (!on_slot || (wanted.slots[step.slot_frame] & slot_bit(step.slot)) == 0) break;
      wanted.slots[step.slot_frame] &= ~slot_bit(step.slot);
      if (row.form == Form::store_reg) regs |= register_bit(insn.src) & kTraceable;
      break;
    case Form::atomic: {
      const RegisterSet fetched = register_use(program_, insn).writes;
      if ((regs & fetched) != 0 && on_slot) wanted.slots[step.slot_frame] |= slot_bit(step.slot);
      regs &= static_cast<RegisterSet>(~fetched);
      break;
    }
    case Form::packet_abs:
    case Form::packet_ind:
      regs &= static_cast<RegisterSet>(~kCallerSaved);
      break;
    case Form::jump_imm:
    case Form::jump_reg:
      if (step.kind == Step::Kind::linked) want_linked(linked[step.linked], wanted);
      if (row.form == Form::jump_reg && (regs & (register_bit(insn.dst) | register_bit(insn.src))) != 0) {
        regs |= (register_bit(insn.dst) | register_bit(insn.src)) & kTraceable;
        if (step.kind == Step::Kind::linked) want_linked(linked[step.linked], wanted);
      }
      break;
    case Form::call:
      trace_call(step, later, wanted);
      break;
    case Form::exit:
      trace_exit(step, later, wanted);
      break;
    default:
      break;
  }
}

// Backwards into what comes before a call. Entering a function, its arguments are the caller's r1 to r5; those of a
// callback come from the helper.
void Analysis::trace_call(const Step& step, const Later& later, Wanted& wanted) const {
  const Instruction& insn = instruction(step.instruction);
  const u32 f = step.frame;
  if (later.frame == f + 1) {
    if (insn.op == Op::call_local) wanted.regs[f] |= wanted.regs[f + 1] & kArgumentRegisters;
    wanted.regs[f + 1] = 0;
    wanted.slots[f + 1] = 0;
    return;
  }
  // A tail call that left the function: its caller's r0 is another program's.
  const u32 receiver = later.frame + 1 == f ? later.frame : f;
  wanted.regs[receiver] &= static_cast<RegisterSet>(~kCallerSaved);
}

// Backwards into a function that returned: the caller's r0 is the callee's. A callback's result stays with the helper,
// at which the caller then stands again, with its registers as they were.
void Analysis::trace_exit(const Step& step, const Later& later, Wanted& wanted) const {
  if (later.frame + 1 != step.frame) return;
  if (step.kind == Step::Kind::callback_exit) return;
  RegisterSet& caller = wanted.regs[later.frame];
  if ((caller & register_bit(0)) != 0) wanted.regs[step.frame] |= register_bit(0);
  caller &= static_cast<RegisterSet>(~kCallerSaved);
}

// Parts of slots are read: every checkpoint since they were last overwritten must know. True if a mark was new.
bool Analysis::mark_read(const State& state, u32 frame, HalfSet halves) {
  bool changed = false;
  halves.remove(state.frames[frame].written);
  for (Checkpoint* at = state.parent.get(); at != nullptr && !halves.empty(); at = at->parent.get()) {
    if (frame >= at->frames.size()) break;
    FrameMarks& marks = at->frames[frame].marks;
    halves.remove(marks.read);
    changed = changed || !halves.empty();
    marks.read.add(halves);
    halves.remove(marks.written_before);
  }
  return changed;
}

}  // namespace forager::verifier
