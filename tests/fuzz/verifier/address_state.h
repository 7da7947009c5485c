// SPDX-License-Identifier: Apache-2.0
//
// AddressState: where a program may hold pointers at one of its instructions: in which registers, in which bytes of
// which stack frames, and of which classes. Private to address*.cc.
//
// Tested by: tests/unit/fuzz_rival_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "isa/isa.h"
#include "verifier/facts.h"

namespace forager::fuzz {

// What something may hold: a set.
using Classes = std::uint8_t;
inline constexpr Classes kNumber = 1;  // null is one
inline constexpr Classes kPacketPointer = 2;
inline constexpr Classes kStackPointer = 4;
inline constexpr Classes kContextPointer = 8;
inline constexpr Classes kOtherPointer = 16;
inline constexpr Classes kPart = 32;  // of the stack: what is left of a pointer that was overwritten in part
inline constexpr Classes kAddress = kPacketPointer | kStackPointer | kContextPointer | kOtherPointer | kPart;

// Bytes of the stack that an access may reach: [from, to) of frames [first, last).
struct StackRange {
  std::size_t first = 0, last = 0;
  unsigned from = 0, to = 0;
  bool exact = false;    // it reaches them all, whenever it is executed
  bool aligned = false;  // it is of eight bytes and reaches whole slots only
};

class AddressState {
 public:
  // At the entry of a program: r1 is its context.
  [[nodiscard]] static AddressState at_entry();

  [[nodiscard]] Classes reg(unsigned number) const { return registers_[number]; }
  void set(unsigned number, Classes classes) { registers_[number] = classes; }
  [[nodiscard]] std::size_t depth() const { return frames_.size(); }

  // `frame` is as in AccessFact; offsets are of the first byte, from the frame's lowest.
  [[nodiscard]] StackRange range(std::uint8_t frame, std::int64_t offset_min, std::int64_t offset_max,
                                 std::uint64_t bytes) const;
  [[nodiscard]] StackRange any_stack() const { return {.last = frames_.size(), .to = isa::kStackBytes}; }
  [[nodiscard]] Classes read(const StackRange& range) const;
  void write(const StackRange& range, Classes classes);

  // Packet pointers are no longer of the packet.
  void move_packet();
  // r1 to r5 are overwritten.
  void clobber();
  // Into a function of the program, and back with its r0 and what it did to the frames above.
  void enter();
  void leave();

  // Either of two may hold. True if there is something new.
  bool join(const AddressState& other);

 private:
  static constexpr unsigned kFirstSaved = 6;  // r6 to r9 are as before when a function returns
  struct Frame {
    std::array<Classes, isa::kStackBytes> bytes{};
    std::array<Classes, isa::kFramePointer - kFirstSaved> saved{};  // of the caller
  };
  static constexpr unsigned kSlotBytes = 8;

  static void cut(Frame& frame, unsigned from, unsigned to);

  std::array<Classes, isa::kRegisters> registers_{};
  std::vector<Frame> frames_;  // the running function's own is the last
};

}  // namespace forager::fuzz
