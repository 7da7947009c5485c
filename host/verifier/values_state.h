// SPDX-License-Identifier: Apache-2.0
//
// Numbers: what is known of the numbers that registers and the running function's frame hold at one point of the
// program, for every execution that comes there. Private to values*.cc.
//
// A place without an entry may hold anything, a pointer too; one with an entry holds a number for certain, though
// nothing else may be known of it. Forgetting an entry is therefore always right. Entries of the frame never overlap.
#pragma once

#include <span>
#include <vector>

#include "isa/isa.h"
#include "verifier/facts.h"
#include "verifier/scalar.h"

namespace forager::verifier {

// How what is known of a place changes where executions come together.
enum class Growth : std::uint8_t {
  hull,   // to what both allow
  widen,  // besides, an end of a range that moved goes on to the next stop: loops must settle
  drop,   // to any number at all, where the two differ
};

class Numbers {
 public:
  [[nodiscard]] std::size_t size() const { return known_.size(); }

  // The number in a register, or null.
  [[nodiscard]] const Scalar* find(unsigned reg) const;
  void set(unsigned reg, const Scalar& value) { insert(reg, value); }
  void forget(unsigned reg) { forget_registers(static_cast<RegisterSet>(1U << reg)); }
  void forget_registers(RegisterSet dead);
  [[nodiscard]] Numbers only(RegisterSet registers) const;

  // Bytes of the frame count from its lowest, r10 - 512. What was stored is the number's low bytes; those asked for are
  // found `shift` bits up in it.
  [[nodiscard]] const Scalar* find_stored(u32 offset, u32 bytes, u32& shift) const;
  void store(u32 offset, u32 bytes, const Scalar& value);
  void forget_frame(s64 begin, s64 end);
  void forget_frame() { forget_frame(0, isa::kStackBytes); }

  // Takes in executions in which `other` holds; true if less is known than before. `stops`: where ranges may end.
  bool join(const Numbers& other, Growth growth, std::span<const u64> stops);

 private:
  // Registers by number, then bytes of the frame by offset.
  using Place = u32;
  struct Known {
    Place place;
    Scalar value;
  };
  static constexpr std::size_t kMaxStored = 32;
  static constexpr u32 kWidths = 16;  // numbers of bytes, so that a place names its width too

  [[nodiscard]] static constexpr Place at(u32 offset, u32 bytes) { return isa::kRegisters + offset * kWidths + bytes; }
  [[nodiscard]] static constexpr u32 offset_of(Place place) { return (place - isa::kRegisters) / kWidths; }
  [[nodiscard]] static constexpr u32 bytes_of(Place place) { return (place - isa::kRegisters) % kWidths; }
  void insert(Place place, const Scalar& value);

  std::vector<Known> known_;  // sorted
};

}  // namespace forager::verifier
