// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/address_state.h"

#include <algorithm>
#include <utility>

namespace forager::fuzz {
namespace {

template <class Array>
bool join_all(Array& into, const Array& from) {
  Classes fresh = 0;
  for (std::size_t i = 0; i < into.size(); ++i) {
    fresh |= static_cast<Classes>(from[i] & ~into[i]);
    into[i] |= from[i];
  }
  return fresh != 0;
}

// A packet pointer from before the packet moved is a number to the verifier, and an address all the same.
void make_stale(Classes& classes) {
  if ((classes & kPacketPointer) != 0) classes = (classes & ~kPacketPointer) | kOtherPointer;
}

}  // namespace

AddressState AddressState::at_entry() {
  AddressState state;
  state.registers_.fill(kNumber);
  state.enter();
  state.set(1, kContextPointer);
  return state;
}

StackRange AddressState::range(std::uint8_t frame, std::int64_t offset_min, std::int64_t offset_max,
                               std::uint64_t bytes) const {
  StackRange out = any_stack();
  if (frame < frames_.size()) {
    out.first = frames_.size() - 1 - frame;
    out.last = out.first + 1;
  }
  constexpr std::int64_t kEnd = isa::kStackBytes;
  if (offset_min < 0 || offset_max < offset_min || offset_max > kEnd) return out;
  out.from = static_cast<unsigned>(offset_min);
  out.to = static_cast<unsigned>(std::min<std::uint64_t>(kEnd, static_cast<std::uint64_t>(offset_max) + bytes));
  out.exact = offset_min == offset_max && out.last == out.first + 1;
  return out;
}

Classes AddressState::read(const StackRange& range) const {
  Classes classes = 0;
  for (std::size_t i = range.first; i < range.last; ++i) {
    for (unsigned at = range.from; at < range.to; ++at) classes |= frames_[i].bytes[at];
  }
  return classes;
}

void AddressState::write(const StackRange& range, Classes classes) {
  for (std::size_t i = range.first; i < range.last; ++i) {
    Frame& frame = frames_[i];
    if (!range.aligned) cut(frame, range.from, range.to);
    for (unsigned at = range.from; at < range.to; ++at) {
      Classes& byte = frame.bytes[at];
      byte = range.exact ? classes : static_cast<Classes>(byte | classes);
    }
  }
}

// Of the pointers there, something else may stay than whole ones.
void AddressState::cut(Frame& frame, unsigned from, unsigned to) {
  const unsigned end = std::min<unsigned>(isa::kStackBytes, (to + kSlotBytes - 1) / kSlotBytes * kSlotBytes);
  for (unsigned at = from / kSlotBytes * kSlotBytes; at < end; ++at) {
    if ((frame.bytes[at] & kAddress) != 0) frame.bytes[at] |= kPart;
  }
}

void AddressState::move_packet() {
  for (Classes& classes : registers_) make_stale(classes);
  for (Frame& frame : frames_) {
    for (Classes& classes : frame.bytes) make_stale(classes);
    for (Classes& classes : frame.saved) make_stale(classes);
  }
}

void AddressState::clobber() {
  for (unsigned i = 1; i <= 5; ++i) registers_[i] = kNumber;
}

void AddressState::enter() {
  Frame& frame = frames_.emplace_back();
  frame.bytes.fill(kNumber);
  registers_[0] = kNumber;
  for (unsigned i = 0; i < frame.saved.size(); ++i) {
    frame.saved[i] = std::exchange(registers_[kFirstSaved + i], kNumber);
  }
  registers_[isa::kFramePointer] = kStackPointer;
}

void AddressState::leave() {
  std::ranges::copy(frames_.back().saved, registers_.begin() + kFirstSaved);
  frames_.pop_back();
  clobber();
}

bool AddressState::join(const AddressState& other) {
  bool fresh = join_all(registers_, other.registers_);
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    fresh |= join_all(frames_[i].bytes, other.frames_[i].bytes);
    fresh |= join_all(frames_[i].saved, other.frames_[i].saved);
  }
  return fresh;
}

}  // namespace forager::fuzz
