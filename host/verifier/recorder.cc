// SPDX-License-Identifier: Apache-2.0
#include "verifier/recorder.h"

#include <algorithm>

namespace forager::verifier {
namespace {

template <class T>
void keep_if_same(T& kept, const T& now, const T& otherwise) {
  if (kept != now) kept = otherwise;
}

u32 map_of(const Reg& reg) { return reg.type == RegType::map_value && !reg.inner ? reg.map : program::kNone; }

void widen(AccessFact& kept, const AccessFact& now) {
  if (kept.region != now.region) {
    kept = {.in_bounds = kept.in_bounds && now.in_bounds,
            .aligned = kept.aligned && now.aligned,
            .frame = AccessFact::kAnyFrame};
    return;
  }
  keep_if_same(kept.map, now.map, program::kNone);
  keep_if_same(kept.frame, now.frame, AccessFact::kAnyFrame);
  kept.offset_min = std::min(kept.offset_min, now.offset_min);
  kept.offset_max = std::max(kept.offset_max, now.offset_max);
  kept.in_bounds = kept.in_bounds && now.in_bounds;
  kept.aligned = kept.aligned && now.aligned;
}

void widen(ArgumentFact& kept, const ArgumentFact& now) {
  if (kept.region != now.region) {
    kept = {.maybe_null = kept.maybe_null || now.maybe_null, .bytes = std::max(kept.bytes, now.bytes)};
    return;
  }
  keep_if_same(kept.map, now.map, program::kNone);
  kept.maybe_null = kept.maybe_null || now.maybe_null;
  kept.offset_min = std::min(kept.offset_min, now.offset_min);
  kept.offset_max = std::max(kept.offset_max, now.offset_max);
  kept.bytes = std::max(kept.bytes, now.bytes);
}

// Of one kind, and without result: the order in which such atomics are done does not show.
bool commutes(isa::Op op) { return !isa::row(op).fetches; }

}  // namespace

Recorder::Recorder(const program::Program& program)
    : rows_(program.instructions().size()), uses_(program.maps().size()) {}

void Recorder::accessed(u32 at, const Reg& base, const Memory& memory) {
  AccessFact now{.region = region_of(base),
                 .map = map_of(base),
                 .offset_min = memory.low,
                 .offset_max = memory.high,
                 .in_bounds = memory.in_bounds,
                 .aligned = memory.aligned,
                 .frame = memory.frame};
  Row& row = rows_[at];
  if (now.region == Region::unknown) now = {.in_bounds = memory.in_bounds, .frame = AccessFact::kAnyFrame};
  if (row.seen) {
    widen(row.access, now);
  } else {
    row.access = now;
    row.seen = true;
  }
}

void Recorder::called(u32 at, u32 helper, u32 map) {
  CallFact& call = rows_[at].call;
  if (rows_[at].seen) {
    keep_if_same(call.map, map, program::kNone);
    return;
  }
  rows_[at].seen = true;
  call = {.helper = helper, .map = map, .arguments = static_cast<u32>(arguments_.size())};
  arguments_.emplace_back();
  seen_arguments_.push_back(0);
}

void Recorder::argument(u32 at, u32 index, const ArgumentFact& fact) {
  const u32 call = rows_[at].call.arguments;
  if ((seen_arguments_[call] >> index & 1) != 0) {
    widen(arguments_[call][index], fact);
  } else {
    arguments_[call][index] = fact;
    seen_arguments_[call] |= static_cast<std::uint8_t>(1U << index);
  }
}

void Recorder::map_touched(const Reg& reg, MapTouch touch, isa::Op op) {
  if (reg.map >= uses_.size()) return;
  Use& use = uses_[reg.map];
  use.touched = true;
  if (touch == MapTouch::read) use.reads = true;
  if (touch == MapTouch::write) use.writes = true;
  if (touch != MapTouch::atomic) return;
  if (!commutes(op) || (use.atomic && *use.atomic != op)) use.writes = true;
  use.atomic = op;
}

void Recorder::any_map_touched(MapTouch touch) {
  for (Use& use : uses_) {
    use.touched = use.reads = true;
    use.writes |= touch == MapTouch::write;
  }
}

std::vector<Facts> Recorder::facts() const {
  std::vector<Facts> out(rows_.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Row& row = rows_[i];
    out[i].reachable = row.reachable;
    out[i].access = row.access;
    out[i].call = row.call;
    if (row.ways == 1) out[i].branch = Branch::never;
    if (row.ways == 2) out[i].branch = Branch::always;
  }
  return out;
}

std::vector<MapUse> Recorder::uses() const {
  std::vector<MapUse> out;
  for (std::size_t i = 0; i < uses_.size(); ++i) {
    const Use& use = uses_[i];
    if (!use.touched) {
      out.push_back(MapUse::unused);
    } else if (use.writes || (use.atomic && use.reads)) {
      out.push_back(MapUse::read_write);
    } else {
      out.push_back(use.atomic ? MapUse::commutative : MapUse::read_only);
    }
  }
  return out;
}

}  // namespace forager::verifier
