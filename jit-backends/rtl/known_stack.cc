// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/known_stack.h"

#include <algorithm>
#include <bit>

#include "jit-backends/rtl/slots.h"
#include "jit-backends/rtl/values.h"

namespace forager::jit::rtl {
namespace {

bool overlap(const Bytes& a, const Bytes& b) { return a.first < b.end() && b.first < a.end(); }

// Of a constant's bytes (lowest first), those from `from` on.
Known part_of(const Value& value, std::int64_t from, std::int64_t count) {
  std::uint64_t bits = static_cast<std::uint64_t>(value.offset) >> (8 * from);
  if (count < 8) bits &= (1ULL << (8 * count)) - 1;
  return {.value = constant(bits), .bits = static_cast<std::uint8_t>(std::bit_width(bits))};
}

}  // namespace

std::optional<Bytes> bytes_of_stack(const Slot& slot, const State& at) {
  const unsigned function = static_cast<unsigned>(slot.op) & 0xf;
  const CoreClass of = class_of(slot.op);
  if ((of != CoreClass::Load && of != CoreClass::Store) || function > 3 || slot.a_state || slot.on_map)
    return std::nullopt;
  const Value base = slot.a == isa::kFramePointer ? register_itself(slot.a) : at.known[slot.a].value;
  if (base.base != Value::Base::none || base.reg != isa::kFramePointer || base.shift != 0) return std::nullopt;
  const Bytes bytes = {.first = base.offset + static_cast<std::int16_t>(slot.offset) + std::int64_t{isa::kStackBytes},
                       .count = bytes_of(slot.op)};
  if (bytes.first < 0 || bytes.end() > std::int64_t{isa::kStackBytes}) return std::nullopt;
  return bytes;
}

void KnownStack::store(const Bytes& bytes, const Known& value) {
  forget(bytes);
  if (entries_.size() >= kMost) return;
  if (value.value.is_constant()) {
    entries_.push_back({bytes, part_of(value.value, 0, bytes.count)});
  } else if (bytes.count == 8 || value.bits <= 8 * bytes.count) {
    entries_.push_back({bytes, value});
  }
}

std::optional<Known> KnownStack::load(const Bytes& bytes) const {
  const auto entry = std::ranges::find_if(entries_, [&](const Entry& one) { return overlap(one.bytes, bytes); });
  if (entry == entries_.end()) return std::nullopt;
  if (entry->bytes == bytes) return entry->known;
  const bool inside = entry->bytes.first <= bytes.first && bytes.end() <= entry->bytes.end();
  if (!inside || !entry->known.value.is_constant()) return std::nullopt;
  return part_of(entry->known.value, bytes.first - entry->bytes.first, bytes.count);
}

std::vector<KnownStack::Part> KnownStack::parts(const Bytes& bytes) const {
  std::vector<Part> parts;
  for (std::int64_t at = bytes.first; at < bytes.end();) {
    const auto entry = std::ranges::find_if(entries_, [&](const Entry& one) { return overlap(one.bytes, {at, 1}); });
    if (entry == entries_.end()) return {};
    const Bytes part = {at, std::min(entry->bytes.end(), bytes.end()) - at};
    const auto known = load(part);
    if (!known) return {};
    parts.push_back({part, known->value});
    at = part.end();
  }
  return parts;
}

void KnownStack::forget(const Bytes& bytes) {
  std::vector<Entry> kept;
  for (const Entry& entry : entries_) {
    if (!overlap(entry.bytes, bytes)) {
      kept.push_back(entry);
      continue;
    }
    if (!entry.known.value.is_constant()) continue;
    const std::int64_t before = bytes.first - entry.bytes.first, after = entry.bytes.end() - bytes.end();
    if (before > 0) kept.push_back({{entry.bytes.first, before}, part_of(entry.known.value, 0, before)});
    if (after > 0)
      kept.push_back({{bytes.end(), after}, part_of(entry.known.value, bytes.end() - entry.bytes.first, after)});
  }
  entries_ = std::move(kept);
}

void KnownStack::forget_register(std::uint8_t reg) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.known.value.reg == reg; });
}

void KnownStack::forget_packet() {
  std::erase_if(entries_, [](const Entry& entry) { return entry.known.value.moves_with_packet(); });
}

bool KnownStack::meet(const KnownStack& other) {
  const auto gone = std::erase_if(
      entries_, [&](const Entry& entry) { return std::ranges::find(other.entries_, entry) == other.entries_.end(); });
  return gone != 0;
}

}  // namespace forager::jit::rtl
