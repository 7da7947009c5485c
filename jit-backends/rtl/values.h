// SPDX-License-Identifier: Apache-2.0
//
// What a register is known to hold, as a sum: something with a name, a register that has not changed since, shifted,
// and a constant. A register of which nothing is known holds itself.
//
// Tested by: tests/unit/rtl_flow_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "jit-backends/rtl/flow.h"

namespace forager::jit::rtl {

struct Value {
  enum class Base : std::uint8_t { none, state, map };
  static constexpr std::uint8_t kNoRegister = 0xff;

  Base base = Base::none;
  CoreState state{};     // of Base::state
  std::uint8_t map = 0;  // of Base::map: its number; its values' first byte is meant
  std::uint8_t reg = kNoRegister;
  std::uint8_t shift = 0;  // bits that the register's low 32 bits are shifted by
  std::int64_t offset = 0;

  [[nodiscard]] bool has_register() const { return reg != kNoRegister; }
  [[nodiscard]] bool is_constant() const { return base == Base::none && !has_register(); }
  [[nodiscard]] bool is_copy() const { return base == Base::none && has_register() && shift == 0 && offset == 0; }
  // State and a constant.
  [[nodiscard]] bool is_state() const { return base == Base::state && !has_register(); }
  [[nodiscard]] bool is_state(CoreState of) const { return is_state() && state == of; }
  friend bool operator==(const Value&, const Value&) = default;
};

[[nodiscard]] constexpr Value constant(std::uint64_t value) { return {.offset = static_cast<std::int64_t>(value)}; }
[[nodiscard]] constexpr Value register_itself(std::uint8_t reg) { return {.reg = reg}; }

// A value, and how many of its low bits may be other than zero.
struct Known {
  Value value;
  std::uint8_t bits = 64;
};

inline constexpr std::uint8_t kRegisters = 16;

// All registers, at a place in the program.
struct State {
  std::array<Known, kRegisters> known;
  std::uint32_t packet_bytes = 0;  // that the packet has at least
  // Words of the running function's frame, from its lowest.
  static constexpr std::size_t kWords = isa::kStackBytes / 8;
  std::array<std::optional<Known>, kWords> stack;

  State();
  void set(std::uint8_t reg, const Known& to);
  // The packet's edges may have moved.
  void forget_packet();
  // Bytes of the frame were written.
  void forget_stack(std::int64_t first = 0, std::int64_t last = std::int64_t{isa::kStackBytes} - 1);
  // What holds here and there too. True if it is less than before.
  bool meet(const State& other);
};

// The word of the frame that a load or store is of, if it is one.
[[nodiscard]] std::optional<std::size_t> word_of_stack(const Operation& operation, const State& at);

// What an operation's operands are, and its result. Results of memory other than the stack, of
// units and of what cannot be told are the register itself.
[[nodiscard]] Value first_operand(const Slot& slot, const State& at);
[[nodiscard]] Value second_operand(const Slot& slot, const State& at);
[[nodiscard]] Known result_of(const Operation& operation, const State& at, bool native, const ChipPlan& plan);

// Applies an operation; branches change nothing.
void step_over(const Operation& operation, State& at, bool native, const ChipPlan& plan);
}  // namespace forager::jit::rtl
