// SPDX-License-Identifier: Apache-2.0
//
// Registers of a stretch of operations. Values that begin and end in it are numbered first, each by itself, so that an
// operation waits only for what it reads; they get registers as the operations are placed.
//
// Tested by: tests/unit/rtl_compile_test.cc, and everything that runs on the device.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "jit-backends/rtl/lower.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {

inline constexpr std::uint8_t kFirstValue = 16;  // numbers below are registers

// Calls act(register or number) for each operand that is one, by reference.
template <class Op, class Act>
void each_operand(Op& operation, Act act) {
  auto& slot = operation.slot;
  if (reads_a(slot.op) && !slot.a_state) act(slot.a);
  if (reads_b(slot.op) && !slot.use_imm) act(slot.b);
  if (operation.beside && slot.op != CoreOp::AluWide && !operation.beside->use_imm) act(operation.beside->b);
}

// Gives values numbers instead of registers. `live`: after each operation.
void number_values(std::span<Operation> operations, std::span<const Registers> live);

// Hands registers out: those that no operation that is still to be placed names, and no branch's target reads.
class RegisterPool {
 public:
  // Of numbered operations.
  // It is short when it has so few left.
  RegisterPool(std::span<const Operation> operations, Registers live_at_end, int short_at);

  // Whether there is a register for what the operation makes.
  [[nodiscard]] bool has_room_for(const Operation& operation) const;
  // It makes a value, and ends none.
  [[nodiscard]] bool takes_from(const Operation& operation) const;
  [[nodiscard]] bool is_short() const;
  // Puts registers where numbers are. Operations come in the order in which they are placed; those of a bundle read
  // before they write.
  void place(Operation& operation);
  void begin_bundle() { left_ |= std::exchange(soon_, Registers{0}); }

 private:
  [[nodiscard]] unsigned ended_by(const Operation& operation) const;
  std::uint8_t take();

  Registers left_ = 0, soon_ = 0;  // soon: from the next bundle on
  Registers live_at_end_;
  int short_at_;
  std::array<std::uint32_t, kFirstValue> names_{};  // operations to come that name it, or lead where it is read
  std::vector<std::uint8_t> registers_;             // by value
  std::vector<std::uint32_t> readers_;              // that are still to come, by value
};

}  // namespace forager::jit::rtl
