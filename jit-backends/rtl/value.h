// SPDX-License-Identifier: Apache-2.0
//
// What a register is known to hold, as a sum: something with a name, a register that has not changed since, shifted,
// and a constant. A register of which nothing is known holds itself.
#pragma once

#include <cstdint>

#include "jit-backends/rtl/lower.h"

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
  // It is another one after an edge of the packet moved.
  [[nodiscard]] bool moves_with_packet() const;
  friend bool operator==(const Value&, const Value&) = default;
};

[[nodiscard]] constexpr Value constant(std::uint64_t value) { return {.offset = static_cast<std::int64_t>(value)}; }
[[nodiscard]] constexpr Value register_itself(std::uint8_t reg) { return {.reg = reg}; }

// A value, how many of its low bits may be other than zero, and of a pointer whether it is a multiple of 16.
struct Known {
  Value value;
  std::uint8_t bits = 64;
  bool pairs = false;
  friend bool operator==(const Known&, const Known&) = default;
};

}  // namespace forager::jit::rtl
