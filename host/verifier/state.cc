// SPDX-License-Identifier: Apache-2.0
#include "verifier/state.h"

#include <algorithm>

namespace forager::verifier {

const Reference* State::lock() const {
  const auto found = std::ranges::find(references, Reference::Kind::lock, &Reference::kind);
  return found == references.end() ? nullptr : &*found;
}

Slot& slot_at(Frame& frame, u32 index) {
  if (frame.slots.size() <= index) frame.slots.resize(index + 1);
  return frame.slots[index];
}

void scrub(Byte& byte) {
  if (byte != Byte::zero && byte != Byte::invalid) byte = Byte::misc;
}

void forget_spill(Slot& slot) {
  if (!slot.is_spill()) return;
  for (Byte& byte : slot.bytes) {
    if (byte != Byte::invalid) byte = Byte::misc;
  }
  slot.reg = {};
}

}  // namespace forager::verifier
