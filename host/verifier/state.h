// SPDX-License-Identifier: Apache-2.0
//
// State: everything known at one point of one path: registers and stack of each call frame, references held, and how
// the path came here since the last checkpoint.
//
// Stack slots are 8 bytes, numbered from the frame's top: slot 0 is r10-8 to r10-1. Bytes in a slot are numbered by
// address, lowest first. A byte that is `spill` belongs to the slot's Reg, whose value begins at byte 0.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "verifier/reg.h"

namespace forager::verifier {

enum class Byte : std::uint8_t { invalid, spill, misc, zero, dynptr };

inline constexpr unsigned kSlotBytes = 8;
using Bytes = std::array<Byte, kSlotBytes>;
using SlotSet = u64;  // bit n is slot n

// Halves of slots: bytes 0 to 3, and 4 to 7.
struct HalfSet {
  SlotSet low = 0, high = 0;
  // The halves that [byte, byte + bytes) of a slot touches, or covers whole.
  [[nodiscard]] static constexpr HalfSet touched(u32 slot, u32 byte, u32 bytes) {
    return {byte < 4 ? SlotSet{1} << slot : 0, byte + bytes > 4 ? SlotSet{1} << slot : 0};
  }
  [[nodiscard]] static constexpr HalfSet covered(u32 slot, u32 byte, u32 bytes) {
    return {byte == 0 && bytes >= 4 ? SlotSet{1} << slot : 0, byte <= 4 && byte + bytes == 8 ? SlotSet{1} << slot : 0};
  }
  [[nodiscard]] static constexpr HalfSet whole(u32 slot) { return {SlotSet{1} << slot, SlotSet{1} << slot}; }
  [[nodiscard]] constexpr bool empty() const { return low == 0 && high == 0; }
  constexpr void add(const HalfSet& other) {
    low |= other.low;
    high |= other.high;
  }
  constexpr void remove(const HalfSet& other) {
    low &= ~other.low;
    high &= ~other.high;
  }
};

struct Slot {
  Bytes bytes{};
  Reg reg;  // if byte 0 is a spill, or a dynptr

  [[nodiscard]] bool is_spill() const { return bytes[0] == Byte::spill; }
  [[nodiscard]] bool is_full_spill() const { return bytes[0] == Byte::spill && bytes[7] == Byte::spill; }
  [[nodiscard]] bool is_dynptr() const { return bytes[0] == Byte::dynptr; }
  [[nodiscard]] unsigned spilled_bytes() const {
    unsigned count = 0;
    while (count < kSlotBytes && bytes[count] == Byte::spill) ++count;
    return count;
  }
};

enum class FrameKind : std::uint8_t { function, callback, async_callback };

struct Frame {
  std::array<Reg, isa::kRegisters> regs;
  std::vector<Slot> slots;
  u32 subprogram = 0;
  u32 call_site = program::kNone;  // instruction that entered it
  FrameKind kind = FrameKind::function;
  u32 callback_depth = 0;  // callbacks entered by the call at hand
  u32 async_entries = 0;
  isa::ReturnRange callback_returns{0, 0};
  u32 references_at_entry = 0;
  HalfSet written{~SlotSet{0}, ~SlotSet{0}};  // overwritten since the last checkpoint (a new frame: all)
};

// What must be given back before the program ends: a reference, or a spin lock.
struct Reference {
  enum class Kind : std::uint8_t { object, lock };
  Kind kind = Kind::object;
  u32 id = 0;
  u32 instruction = 0;       // that took it
  u32 map = program::kNone;  // of a lock
};

// One executed instruction. Slot accesses that move a tracked value, and the registers that a conditional jump refined
// together, are what precision is traced back through (precision.cc).
struct Step {
  enum class Kind : std::uint8_t { plain, slot, linked, callback_exit };
  u32 instruction = 0;
  std::uint8_t frame = 0;
  Kind kind = Kind::plain;
  std::uint8_t slot_frame = 0;
  std::uint8_t slot = 0;
  u32 linked = 0;  // index into State::linked
};
// Registers and slots of all frames that held one scalar.
struct Place {
  std::uint8_t frame = 0;
  bool is_slot = false;
  std::uint8_t index = 0;
};
using LinkedPlaces = std::vector<Place>;

struct Checkpoint;

struct State {
  std::vector<Frame> frames;
  std::vector<Reference> references;
  u32 at = 0;  // the next instruction
  u32 callback_unroll_depth = 0;
  u32 depth = 0;                // checkpoints above
  bool after_callback = false;  // a callback just returned to the call at hand
  std::shared_ptr<Checkpoint> parent;
  std::vector<Step> steps;  // since the parent
  std::vector<LinkedPlaces> linked;

  [[nodiscard]] Frame& frame() { return frames.back(); }
  [[nodiscard]] const Frame& frame() const { return frames.back(); }
  [[nodiscard]] std::array<Reg, isa::kRegisters>& regs() { return frames.back().regs; }
  [[nodiscard]] const std::array<Reg, isa::kRegisters>& regs() const { return frames.back().regs; }
  [[nodiscard]] u32 current_frame() const { return static_cast<u32>(frames.size() - 1); }
  [[nodiscard]] const Reference* lock() const;

  // Every register and every spilled one, in all frames.
  template <class Fn>
  void for_each_reg(Fn fn) {
    for (Frame& frame : frames) {
      for (Reg& reg : frame.regs) fn(reg);
      for (Slot& slot : frame.slots) {
        if (slot.is_spill()) fn(slot.reg);
      }
    }
  }
};

// Where a frame's byte stands: `offset` is from r10, -512 to -1.
[[nodiscard]] constexpr u32 slot_index(s64 offset) { return static_cast<u32>((-offset - 1) / kSlotBytes); }
[[nodiscard]] constexpr u32 byte_index(s64 offset) { return static_cast<u32>(offset & (kSlotBytes - 1)); }

// Grows the frame's stack to hold slot `index`, and gives it.
Slot& slot_at(Frame& frame, u32 index);

// A byte overwritten by something that is not tracked: zeros stay zeros, unwritten bytes stay unwritten.
void scrub(Byte& byte);
// The slot's Reg is no longer in it; what was written there is plain data now, as Linux has it.
void forget_spill(Slot& slot);

}  // namespace forager::verifier
