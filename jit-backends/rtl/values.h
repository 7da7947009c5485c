// SPDX-License-Identifier: Apache-2.0
//
// What registers and the stack are known to hold at a place in the program, and how an operation changes that.
//
// Tested by: tests/unit/rtl_flow_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/known_outcomes.h"
#include "jit-backends/rtl/known_stack.h"

namespace forager::jit::rtl {

inline constexpr std::uint8_t kRegisters = 16;

// All registers, at a place in the program.
struct State {
  std::array<Known, kRegisters> known;
  std::uint32_t packet_bytes = 0;  // that the packet has at least
  KnownStack stack;
  KnownOutcomes outcomes;

  State();
  void set(std::uint8_t reg, const Known& to);
  // A register, and those that hold the same, turn out to be a constant.
  void refine(std::uint8_t reg, const Value& to);
  // The packet's edges may have moved.
  void forget_packet();
  // What holds here and there too. True if it is less than before.
  bool meet(const State& other);
};

// What an operation's operands are, and its result. Results of memory other than the stack, of
// units and of what cannot be told are the register itself.
[[nodiscard]] Value first_operand(const Slot& slot, const State& at);
[[nodiscard]] Value second_operand(const Slot& slot, const State& at);
[[nodiscard]] Known result_of(const Operation& operation, const State& at, bool native, const ChipPlan& plan);

// Applies an operation; branches change nothing.
void step_over(const Operation& operation, State& at, bool native, const ChipPlan& plan);
}  // namespace forager::jit::rtl
