// SPDX-License-Identifier: Apache-2.0
//
// Registers of a stretch of operations. Values that begin and end in it are numbered first, each by itself, so that an
// operation waits only for what it reads; they get registers as the operations are placed.
//
// Tested by: tests/unit/rtl_compile_test.cc, and everything that runs on the device.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jit-backends/rtl/lower.h"

namespace forager::jit::rtl {

inline constexpr std::uint8_t kFirstValue = 16;  // numbers below are registers

// Gives values numbers instead of registers. `live`: after each operation.
void number_values(std::span<Operation> operations, std::span<const Registers> live);

// Those that no operation names and no branch's target reads. Of numbered operations; `before`: live at their begin.
[[nodiscard]] Registers registers_left(std::span<const Operation> operations, std::span<const Registers> live,
                                       Registers before);

// Hands registers out.
class RegisterPool {
 public:
  RegisterPool(std::span<const Operation> operations, Registers left);

  // Whether there is a register for what the operation makes.
  [[nodiscard]] bool has_room_for(const Operation& operation) const;
  // It makes a value, and ends none.
  [[nodiscard]] bool takes_from(const Operation& operation) const;
  [[nodiscard]] bool is_short() const;
  // Puts registers where numbers are. Operations come in the order in which they are placed; those of a bundle read
  // before they write.
  void place(Operation& operation);

 private:
  [[nodiscard]] unsigned ended_by(const Operation& operation) const;
  std::uint8_t take();

  Registers left_;
  std::vector<std::uint8_t> registers_;  // by value
  std::vector<std::uint32_t> readers_;   // that are still to come, by value
};

}  // namespace forager::jit::rtl
