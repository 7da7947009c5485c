// SPDX-License-Identifier: Apache-2.0
//
// Where a path may stop, since an earlier one came here knowing no more, and what it then inherits (Linux
// is_state_visited).
//
// A checkpoint whose paths are all done has final marks, and covers a state that agrees in what those paths used. One
// that is still in progress lies on the current path: meeting it again in the same state means that the program may
// never end. Only where a helper calls a function back, again and again, is that no danger, as the helper counts; there
// the path ends at the checkpoint in progress if it covers all that is live. Marks of such loops are settled when the
// outermost one is done: what the loop's begin needs, its end needs too, until nothing changes.
#include <algorithm>
#include <cerrno>

#include "verifier/analysis.h"

namespace forager::verifier {
namespace {

constexpr std::size_t kManySteps = 200;  // without a checkpoint
constexpr u32 kPatience = 3, kForcedPatience = 64;

bool same_call_sites(const Checkpoint& old, const State& state) {
  return std::ranges::equal(old.frames, state.frames, {}, &Checkpoint::KeptFrame::call_site, &Frame::call_site);
}

// Different entries into a function that is called back later may look the same without being a loop.
bool other_async_entry(const Checkpoint& old, const State& state) {
  return old.frames.size() == state.frames.size() && state.frames.back().kind == FrameKind::async_callback &&
         old.frames.back().async_entries != state.frames.back().async_entries;
}

}  // namespace

std::vector<RegisterSet> Analysis::live_by_frame() const {
  std::vector<RegisterSet> live;
  for (std::size_t i = 0; i + 1 < state_.frames.size(); ++i) {
    live.push_back(structure_.live[state_.frames[i + 1].call_site] |
                   structure_.live_after[state_.frames[i + 1].call_site]);
  }
  live.push_back(structure_.live[at_]);
  return live;
}

// The current path stops at the old state, if that covers it.
bool Analysis::stops_at(const std::shared_ptr<Checkpoint>& old) {
  const auto is_covered = [&](Match match) { return covers(*old, state_, match, privileged_uninitialised()); };
  if (old->branches == 0) {
    if (!is_covered(old->loops ? Match::within : Match::used)) return false;
    ++old->hits;
    end_at(old, old->loops);
    return true;
  }
  if (other_async_entry(*old, state_)) return false;
  if (state_.after_callback) {
    if (!is_covered(Match::within)) return false;
    end_at(old, true);
    return true;
  }
  if (old->callback_unroll_depth == state_.callback_unroll_depth && is_covered(Match::exact)) {
    refuse(EINVAL, "infinite loop detected: the program comes back here with nothing changed",
           "make a register that the loop's condition reads move towards its end");
  }
  return false;
}

// States that nobody stops at are not worth a comparison each time.
bool Analysis::is_useless(Checkpoint& old, bool forced) {
  const u32 patience = forced && old.branches > 0 ? kForcedPatience : kPatience;
  return ++old.misses > old.hits * patience + patience;
}

bool Analysis::visited() {
  auto& list = kept_[structure_.point_numbers[at_]];
  const bool forced = options_.test_state_freq || (structure_.points[at_] & Structure::kForced) != 0 ||
                      state_.steps.size() > kManySteps;
  const u64 jumps = jumps_ - jumps_at_checkpoint_, processed = processed_ - processed_at_checkpoint_;
  bool add = forced || (jumps >= 2 && processed >= 8);
  for (std::size_t i = list.size(); i-- > 0;) {
    const std::shared_ptr<Checkpoint> old = list[i];
    if (stops_at(old)) return true;
    // In a loop, the states of different rounds differ; few of them are worth keeping.
    if (old->branches > 0 && !forced && jumps < 20 && processed < 100) add = false;
    if (!add || !is_useless(*old, forced)) continue;
    live_bytes_ -= old->kept_bytes;
    --live_states_;
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (add) add_checkpoint();
  return false;
}

void Analysis::add_checkpoint() {
  auto made = keep(state_, live_by_frame());
  made->parent = std::move(state_.parent);
  made->steps = std::move(state_.steps);
  made->linked = std::move(state_.linked);
  made->depth = ++state_.depth;
  state_.steps.clear();
  state_.linked.clear();
  for (Frame& frame : state_.frames) frame.written = {};
  made->kept_bytes = made->bytes();
  live_bytes_ += made->kept_bytes;
  ++report_.total_states;
  report_.peak_states = std::max(report_.peak_states, ++live_states_);
  report_.peak_bytes = std::max<u64>(report_.peak_bytes, live_bytes_);
  kept_[structure_.point_numbers[at_]].push_back(made);
  state_.parent = std::move(made);
  jumps_at_checkpoint_ = jumps_;
  processed_at_checkpoint_ = processed_;
}

// The current path is done, and with it perhaps checkpoints on it.
void Analysis::end_path() {
  std::shared_ptr<Checkpoint> at = std::move(state_.parent);
  while (at != nullptr && --at->branches == 0) {
    std::shared_ptr<Checkpoint> above = at->parent;
    complete(*at);
    at = std::move(above);
  }
}

void Analysis::complete(Checkpoint& checkpoint) {
  if (!back_edges_.empty() && checkpoint.depth <= loop_depth_) settle();
  if (checkpoint.loops) return;  // the way is needed when the loop settles
  checkpoint.forget_way();
}

// The current path stops at a checkpoint that covers it. What that one's paths used is used by this one too; if they
// are not done, that is not all yet.
void Analysis::end_at(const std::shared_ptr<Checkpoint>& old, bool unfinished) {
  carry_marks(*old, state_);
  if (!unfinished) return;
  const u32 target = old->branches > 0 ? old->depth : loop_depth_;
  loop_depth_ = back_edges_.empty() ? target : std::min(loop_depth_, target);
  for (auto above = state_.parent; above != nullptr && above->depth >= loop_depth_; above = above->parent) {
    if (above->loops) continue;
    above->loops = true;
    looping_.push_back(above);
  }
  back_edges_.push_back({old, state_});
}

// True if a mark was new.
bool Analysis::carry_marks(const Checkpoint& old, State& state) {
  bool changed = false;
  Wanted wanted;
  for (u32 f = 0; f < old.frames.size(); ++f) {
    const FrameMarks& marks = old.frames[f].marks;
    wanted.regs[f] = marks.precise_regs;
    wanted.slots[f] = marks.precise_slots;
    changed |= mark_read(state, f, marks.read);
  }
  return trace(state, wanted, false) || changed;
}

void Analysis::settle() {
  for (bool changed = true; changed;) {
    changed = false;
    for (BackEdge& edge : back_edges_) changed |= carry_marks(*edge.target, edge.from);
  }
  for (const auto& checkpoint : looping_) {
    checkpoint->loops = false;
    if (checkpoint->branches == 0) checkpoint->forget_way();
  }
  looping_.clear();
  back_edges_.clear();
}

// The checkpoint on the current path at the instruction to which a callback returns.
const Checkpoint* Analysis::previous_visit() const {
  for (auto at = state_.parent; at != nullptr; at = at->parent) {
    if (at->at == state_.at && same_call_sites(*at, state_)) return at.get();
  }
  return nullptr;
}

// Numbers that the callback changes, and that did not matter so far, may be anything in further rounds (Linux
// widen_imprecise_scalars).
void Analysis::widen_from(const Checkpoint& old) {
  const auto widen = [](Reg& now, const Reg& before, bool precise) {
    if (!now.is_scalar() || !before.is_scalar() || precise || now.scalar == before.scalar) return;
    now = scalar_reg();
  };
  for (const Checkpoint::KeptReg& kept : old.regs) {
    const bool precise = (old.frames[kept.frame].marks.precise_regs >> kept.number & 1) != 0;
    widen(state_.frames[kept.frame].regs[kept.number], kept.reg, precise);
  }
  for (const Checkpoint::KeptSlot& kept : old.slots) {
    Frame& frame = state_.frames[kept.frame];
    if (kept.bytes[0] != Byte::spill || kept.index >= frame.slots.size() || !frame.slots[kept.index].is_spill())
      continue;
    const bool precise = (old.frames[kept.frame].marks.precise_slots >> kept.index & 1) != 0;
    widen(frame.slots[kept.index].reg, old.slot_regs[kept.reg], precise);
  }
}

}  // namespace forager::verifier
