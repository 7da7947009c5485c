// SPDX-License-Identifier: Apache-2.0
//
// What an instruction word reads, writes and needs a lane for.
//
// Tested by: tests/unit/rtl_compile_test.cc.
#pragma once

#include "jit-backends/rtl/isa/core_isa.h"

namespace forager::jit::rtl {

[[nodiscard]] constexpr CoreClass class_of(CoreOp op) { return static_cast<CoreClass>(static_cast<unsigned>(op) >> 4); }

// Of an atomic: what it does, whether it fetches or not.
[[nodiscard]] constexpr CoreOp without_fetch(CoreOp op) {
  return static_cast<CoreOp>(static_cast<unsigned>(op) & ~unsigned{kFetches});
}

// What the engine of maps and helpers does; it reads what was kept for it.
[[nodiscard]] constexpr bool is_of_engine(const Slot& slot) {
  return class_of(slot.op) == CoreClass::Unit && slot.op >= CoreOp::UnitAdjustHead && slot.op != CoreOp::UnitHost;
}

// Of 32 bits: it takes no longer than an addition.
[[nodiscard]] constexpr bool is_product(const Slot& slot) { return slot.op == CoreOp::UnitMul && !slot.wide; }

[[nodiscard]] constexpr bool moves_edge(CoreOp op) {
  return op == CoreOp::UnitAdjustHead || op == CoreOp::UnitAdjustTail || op == CoreOp::UnitAdjustMeta;
}

// Of a load or store.
[[nodiscard]] constexpr unsigned bytes_of(CoreOp op) {
  const unsigned function = static_cast<unsigned>(op) & 7;
  return function == kSixBytes ? 6 : 1U << (function & 3);
}

// It decides where the thread goes on.
[[nodiscard]] constexpr bool leaves(const Slot& slot) {
  return class_of(slot.op) == CoreClass::Branch || class_of(slot.op) == CoreClass::Control;
}
[[nodiscard]] constexpr bool fits_lane0(const Slot& slot) { return class_of(slot.op) != CoreClass::Control; }
[[nodiscard]] constexpr bool fits_lane1(const Slot& slot) {
  return leaves(slot) || class_of(slot.op) == CoreClass::Alu;
}

[[nodiscard]] constexpr bool writes_result(const Slot& slot) {
  switch (class_of(slot.op)) {
    case CoreClass::Alu:
      return slot.op != CoreOp::AluNop;
    case CoreClass::Unit:
    case CoreClass::Load:
      return true;
    case CoreClass::Atomic:
      return (static_cast<unsigned>(slot.op) & kFetches) != 0;
    case CoreClass::Local:
      return slot.op != CoreOp::LocalKeep;
    default:
      return false;
  }
}

[[nodiscard]] constexpr bool reads_a(CoreOp op) {
  switch (class_of(op)) {
    case CoreClass::Alu:
      return op != CoreOp::AluNop && op != CoreOp::AluMov && op != CoreOp::AluWide;
    case CoreClass::Unit:
      return op != CoreOp::UnitHost;
    case CoreClass::Branch:
      return op != CoreOp::BranchAlways;
    case CoreClass::Control:
    case CoreClass::Local:
      return false;
    default:
      return true;
  }
}

[[nodiscard]] constexpr bool reads_b(CoreOp op) {
  switch (class_of(op)) {
    case CoreClass::Alu:
      return op != CoreOp::AluNop && op != CoreOp::AluSext && op != CoreOp::AluZext && op != CoreOp::AluSwap &&
             op != CoreOp::AluNeg && op != CoreOp::AluWide;
    case CoreClass::Load:
      return false;
    case CoreClass::Branch:
      return op != CoreOp::BranchAlways;
    case CoreClass::Control:
      return op == CoreOp::ControlRet;
    case CoreClass::Local:
      return op == CoreOp::LocalKeep;
    default:
      return true;
  }
}

[[nodiscard]] constexpr bool reads(const Slot& slot, std::uint8_t reg) {
  return (reads_a(slot.op) && !slot.a_state && slot.a == reg) || (reads_b(slot.op) && !slot.use_imm && slot.b == reg);
}

}  // namespace forager::jit::rtl
