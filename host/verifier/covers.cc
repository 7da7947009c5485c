// SPDX-License-Identifier: Apache-2.0
//
// covers(): whether everything that is possible in the current state was possible in a checkpoint's, as far as its
// paths could tell (Linux states_equal, regsafe, stacksafe, refsafe).
//
// Identities need not have the same numbers, but the same relations: one renaming must serve the whole state.
#include <algorithm>
#include <array>

#include "verifier/checkpoint.h"

namespace forager::verifier {
namespace {

class Renaming {
 public:
  // Both are absent, or each stands for the other.
  bool same(u32 old, u32 now) {
    if ((old == 0) != (now == 0)) return false;
    if (old == 0) return true;
    for (std::size_t i = 0; i < count_; ++i) {
      if (pairs_[i].old == old) return pairs_[i].now == now;
      if (pairs_[i].now == now) return false;
    }
    if (count_ == pairs_.size()) return false;
    pairs_[count_++] = {old, now};
    return true;
  }

 private:
  struct Pair {
    u32 old, now;
  };
  std::array<Pair, 600> pairs_;  // NOLINT(cppcoreguidelines-pro-type-member-init): the first count_ are set
  std::size_t count_ = 0;
};

class Comparison {
 public:
  Comparison(const Checkpoint& old, const State& now, Match match, bool allow_uninitialised)
      : old_(old), now_(now), match_(match), allow_uninitialised_(allow_uninitialised) {}

  bool covers() { return same_frames() && same_references() && regs_covered() && slots_covered(); }

 private:
  bool same_frames() const {
    if (old_.frames.size() != now_.frames.size()) return false;
    for (std::size_t i = 0; i < old_.frames.size(); ++i) {
      const Checkpoint::KeptFrame& old = old_.frames[i];
      const Frame& now = now_.frames[i];
      if (old.call_site != now.call_site || old.subprogram != now.subprogram || old.kind != now.kind ||
          old.callback_depth > now.callback_depth) {
        return false;
      }
    }
    return true;
  }

  bool same_references() {
    return std::ranges::equal(old_.references, now_.references, [this](const Reference& a, const Reference& b) {
      return a.kind == b.kind && a.map == b.map && renaming_.same(a.id, b.id);
    });
  }

  bool regs_covered() {
    return std::ranges::all_of(old_.regs, [this](const Checkpoint::KeptReg& kept) {
      const bool precise = (old_.frames[kept.frame].marks.precise_regs >> kept.number & 1) != 0;
      return reg_covered(kept.reg, now_.frames[kept.frame].regs[kept.number], precise);
    });
  }

  bool slots_covered() {
    if (match_ == Match::exact && !same_slots()) return false;
    return std::ranges::all_of(old_.slots, [this](const Checkpoint::KeptSlot& kept) { return slot_covered(kept); });
  }

  // Of an exact match the current state has no more in its stack than the old one.
  bool same_slots() const {
    std::size_t filled = 0;
    for (const Frame& frame : now_.frames) {
      filled += static_cast<std::size_t>(std::ranges::count_if(frame.slots, [](const Slot& slot) {
        return std::ranges::any_of(slot.bytes, [](Byte b) { return b != Byte::invalid; });
      }));
    }
    return filled == old_.slots.size();
  }

  // Same but for the variable part and for how identities are numbered.
  bool same_shape(const Reg& a, const Reg& b) const {
    return a.type == b.type && a.maybe_null == b.maybe_null && a.read_only == b.read_only && a.inner == b.inner &&
           a.origin == b.origin && a.object == b.object && a.dynptr == b.dynptr && a.first_slot == b.first_slot &&
           a.map == b.map && a.bytes == b.bytes && a.frame == b.frame;
  }

  bool exactly(const Reg& old, const Reg& now) {
    return same_shape(old, now) && old.delta == now.delta && old.offset == now.offset && old.range == now.range &&
           old.scalar == now.scalar && same_ids(old, now);
  }

  bool same_ids(const Reg& old, const Reg& now) {
    return renaming_.same(old.id, now.id) && renaming_.same(old.reference, now.reference) &&
           renaming_.same(old.slice_of, now.slice_of);
  }

  bool scalar_covered(const Reg& old, const Reg& now, bool precise) {
    if (!precise && match_ == Match::used) return true;
    if (!old.scalar.contains(now.scalar)) return false;
    // A relation that the old state relied on must hold; one that it did not know does no harm.
    if (old.id == 0) return true;
    if (now.id == 0) return old.delta == Delta::none && renaming_.same(old.id, --fresh_);  // nobody else's
    return old.delta == now.delta && (old.delta == Delta::none || old.offset == now.offset) &&
           renaming_.same(old.id, now.id);
  }

  bool packet_covered(const Reg& old, const Reg& now) {
    const bool range = old.range < 0 || now.range < 0 ? old.range == now.range : old.range <= now.range;
    return range && old.offset == now.offset && old.scalar.contains(now.scalar) && renaming_.same(old.id, now.id);
  }

  bool reg_covered(const Reg& old, const Reg& now, bool precise) {
    if (old.type == RegType::uninit && match_ != Match::exact) return match_ == Match::used || now.type == old.type;
    if (match_ == Match::exact) return exactly(old, now);
    if (!same_shape(old, now)) return false;
    switch (old.type) {
      case RegType::scalar:
        return scalar_covered(old, now, precise);
      case RegType::packet:
      case RegType::packet_meta:
        return packet_covered(old, now);
      case RegType::map_value:
      case RegType::map_key:
      case RegType::memory:
      case RegType::raw:
        return old.offset == now.offset && old.scalar.contains(now.scalar) && same_ids(old, now);
      default:
        return exactly(old, now);
    }
  }

  bool all_misc(const Bytes& bytes) const {
    return std::ranges::all_of(
        bytes, [this](Byte b) { return b == Byte::misc || (allow_uninitialised_ && b == Byte::invalid); });
  }

  // Plain data may be anything that was written: the old paths took it for a number, whatever it is.
  bool byte_covered(Byte old, Byte now) const {
    if (old == Byte::invalid || old == now) return true;
    if (old != Byte::misc) return false;
    return now == Byte::zero || now == Byte::spill || (now == Byte::invalid && allow_uninitialised_);
  }

  bool slot_covered(const Checkpoint::KeptSlot& kept) {
    const FrameMarks& marks = old_.frames[kept.frame].marks;
    const bool all = match_ != Match::used;
    const bool low = all || (marks.read.low >> kept.index & 1) != 0,
               high = all || (marks.read.high >> kept.index & 1) != 0;
    if (!low && !high) return true;
    static const Slot kEmpty;
    const Frame& frame = now_.frames[kept.frame];
    const Slot& now = kept.index < frame.slots.size() ? frame.slots[kept.index] : kEmpty;
    const Reg* old_reg = kept.reg == program::kNone ? nullptr : &old_.slot_regs[kept.reg];
    const bool precise = (marks.precise_slots >> kept.index & 1) != 0;

    if (match_ == Match::exact) {
      return kept.bytes == now.bytes && (old_reg == nullptr || exactly(*old_reg, now.reg));
    }
    // A whole scalar and eight bytes of plain data can stand for each other: loading the latter gives any number.
    const bool old_full =
        old_reg != nullptr && old_reg->is_scalar() && kept.bytes[0] == Byte::spill && kept.bytes[7] == Byte::spill;
    if (old_full && all_misc(now.bytes)) {
      static const Reg kAny = scalar_reg();
      return reg_covered(*old_reg, kAny, precise);
    }
    for (std::size_t i = 0; i < kSlotBytes; ++i) {
      if ((i < 4 ? low : high) && !byte_covered(kept.bytes[i], now.bytes[i])) return false;
    }
    if (kept.bytes[0] == Byte::dynptr) return exactly(*old_reg, now.reg);
    return kept.bytes[0] != Byte::spill || reg_covered(*old_reg, now.reg, precise);
  }

  const Checkpoint& old_;
  const State& now_;
  Match match_;
  bool allow_uninitialised_;
  Renaming renaming_;
  u32 fresh_ = 0;  // identities for numbers without one, counted down
};

}  // namespace

bool covers(const Checkpoint& old, const State& state, Match match, bool allow_uninitialised) {
  return Comparison(old, state, match, allow_uninitialised).covers();
}

}  // namespace forager::verifier
