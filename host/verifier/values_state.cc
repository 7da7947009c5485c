// SPDX-License-Identifier: Apache-2.0
#include "verifier/values_state.h"

#include <algorithm>

namespace forager::verifier {
namespace {

template <class T>
Interval<T> hull(const Interval<T>& a, const Interval<T>& b) {
  return {std::min(a.min, b.min), std::max(a.max, b.max)};
}

// An end that moved since `before` goes on to the nearest stop beyond it, or as far as it can.
template <class T>
Interval<T> widened(const Interval<T>& before, const Interval<T>& now, std::span<const u64> stops) {
  Interval<T> out{now.min < before.min ? Limits<T>::min() : now.min, now.max > before.max ? Limits<T>::max() : now.max};
  for (const u64 stop : stops) {
    const auto value = static_cast<T>(stop);
    if (now.min < before.min && value <= now.min) out.min = std::max(out.min, value);
    if (now.max > before.max && value >= now.max) out.max = std::min(out.max, value);
  }
  return out;
}

// A bit that became unknown makes those above it unknown: the range says more of them, and what a counter's steps have
// in common stands below.
Tnum widened(const Tnum& before, const Tnum& now) {
  if (now == before) return now;
  const u64 unknown = now.mask | (0 - (now.mask & (0 - now.mask)));
  return {now.value & ~unknown, unknown};
}

// Known low bits, of numbers that are multiples of some power of two, bring the ends of the range nearer.
template <class T>
void align(Interval<T>& range, const Tnum& bits) {
  const u64 below = ~bits.mask & (bits.mask - 1);  // the bits below the lowest unknown one
  const auto up = static_cast<T>((bits.value - static_cast<u64>(range.min)) & below);
  const auto down = static_cast<T>((static_cast<u64>(range.max) - bits.value) & below);
  Interval<T> out;
  if (__builtin_add_overflow(range.min, up, &out.min) || __builtin_sub_overflow(range.max, down, &out.max)) return;
  if (!out.empty()) range = out;
}

Scalar settled(Scalar value) {
  value.sync();
  align(value.u, value.bits);
  align(value.s, value.bits);
  value.sync();
  return value;
}

Scalar together(const Scalar& a, const Scalar& b) {
  Scalar out{join(a.bits, b.bits), hull(a.u, b.u), hull(a.s, b.s), hull(a.u32r, b.u32r), hull(a.s32r, b.s32r)};
  return settled(out);
}

Scalar widened(const Scalar& before, const Scalar& now, std::span<const u64> stops) {
  Scalar out{widened(before.bits, now.bits), widened(before.u, now.u, stops), widened(before.s, now.s, stops),
             widened(before.u32r, now.u32r, stops), widened(before.s32r, now.s32r, stops)};
  return settled(out);
}

Scalar grown(const Scalar& before, const Scalar& other, Growth growth, std::span<const u64> stops) {
  if (before.contains(other)) return before;
  const Scalar both = together(before, other);
  if (before.contains(both)) return before;
  if (growth == Growth::hull) return both;
  return growth == Growth::drop ? Scalar{} : widened(before, both, stops);
}

}  // namespace

const Scalar* Numbers::find(unsigned reg) const {
  for (const Known& known : known_) {
    if (known.place >= reg) return known.place == reg ? &known.value : nullptr;
  }
  return nullptr;
}

void Numbers::insert(Place place, const Scalar& value) {
  const auto position = std::ranges::lower_bound(known_, place, {}, &Known::place);
  if (position != known_.end() && position->place == place) {
    position->value = value;
  } else {
    known_.insert(position, {place, value});
  }
}

void Numbers::forget_registers(RegisterSet dead) {
  std::erase_if(known_,
                [=](const Known& known) { return known.place < isa::kRegisters && (dead >> known.place & 1U) != 0; });
}

Numbers Numbers::only(RegisterSet registers) const {
  Numbers out;
  for (const Known& known : known_) {
    if (known.place < isa::kRegisters && (registers >> known.place & 1U) != 0) out.known_.push_back(known);
  }
  return out;
}

const Scalar* Numbers::find_stored(u32 offset, u32 bytes, u32& shift) const {
  for (const Known& known : known_) {
    if (known.place < isa::kRegisters || offset_of(known.place) > offset) continue;
    shift = (offset - offset_of(known.place)) * 8;
    if (offset + bytes <= offset_of(known.place) + bytes_of(known.place)) return &known.value;
  }
  return nullptr;
}

void Numbers::store(u32 offset, u32 bytes, const Scalar& value) {
  forget_frame(offset, offset + bytes);
  const auto stored = std::ranges::count_if(known_, [](const Known& k) { return k.place >= isa::kRegisters; });
  if (static_cast<std::size_t>(stored) < kMaxStored) insert(at(offset, bytes), value);
}

void Numbers::forget_frame(s64 begin, s64 end) {
  std::erase_if(known_, [=](const Known& known) {
    if (known.place < isa::kRegisters) return false;
    const s64 first = offset_of(known.place);
    return first < end && begin < first + bytes_of(known.place);
  });
}

bool Numbers::join(const Numbers& other, Growth growth, std::span<const u64> stops) {
  bool changed = false;
  auto theirs = other.known_.begin();
  auto kept = known_.begin();
  for (const Known& mine : known_) {
    while (theirs != other.known_.end() && theirs->place < mine.place) ++theirs;
    if (theirs == other.known_.end() || theirs->place != mine.place) continue;
    const Scalar value = grown(mine.value, theirs->value, growth, stops);
    changed = changed || value != mine.value;
    *kept++ = {mine.place, value};
  }
  changed = changed || kept != known_.end();
  known_.erase(kept, known_.end());
  return changed;
}

}  // namespace forager::verifier
