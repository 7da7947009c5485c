// SPDX-License-Identifier: Apache-2.0
//
// Text: a program written instruction by instruction from C++, with forward jumps that are landed later.
//
// Why not the assembler: generated programs have up to 100,000 instructions whose labels would only be numbers.
//
// Tested by: tests/twins/grow_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "isa/isa.h"

namespace forager::twins {

enum Register : std::uint8_t { r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10 };
enum Bytes : std::uint8_t { kWord = 0x00, kHalf = 0x08, kByte = 0x10, kDouble = 0x18 };
// ALU and jump operations as they stand in an opcode (RFC 9669 sections 4.1 and 4.3).
enum Alu : std::uint8_t {
  kPlus = 0x00,
  kMinus = 0x10,
  kTimes = 0x20,
  kOr = 0x40,
  kMask = 0x50,
  kLeft = 0x60,
  kRight = 0x70,
  kXor = 0xa0,
  kSet = 0xb0
};
enum Test : std::uint8_t {
  kEqual = 0x10,
  kAbove = 0x20,
  kAtLeast = 0x30,
  kBits = 0x40,
  kNotEqual = 0x50,
  kBelow = 0xa0
};

class Text {
 public:
  using Place = std::size_t;  // of a jump that has not landed, or of a loop's head

  void alu(Alu operation, Register dst, std::int32_t imm) { put(0x07U | operation, dst, r0, 0, imm); }
  void alu(Alu operation, Register dst, Register src) { put(0x0fU | operation, dst, src, 0, 0); }
  void set(Register dst, std::int32_t imm) { alu(kSet, dst, imm); }
  void copy(Register dst, Register src) { alu(kSet, dst, src); }
  void load(Bytes bytes, Register dst, Register src, int offset) { put(0x61U | bytes, dst, src, offset, 0); }
  void store(Bytes bytes, Register dst, int offset, Register src) { put(0x63U | bytes, dst, src, offset, 0); }
  void store(Bytes bytes, Register dst, int offset, std::int32_t imm) { put(0x62U | bytes, dst, r0, offset, imm); }
  void call(std::int32_t helper) { put(0x85, r0, r0, 0, helper); }
  void exit() { put(0x95, r0, r0, 0, 0); }
  void map(Register dst, std::int32_t index) {
    put(0x18, dst, r5, 0, index);
    put(0, r0, r0, 0, 0);
  }

  [[nodiscard]] Place jump() { return put(0x05, r0, r0, 0, 0); }
  [[nodiscard]] Place jump(Test test, Register dst, std::int32_t imm) { return put(0x05U | test, dst, r0, 0, imm); }
  [[nodiscard]] Place jump(Test test, Register dst, Register src) { return put(0x0dU | test, dst, src, 0, 0); }
  [[nodiscard]] Place call_later() { return put(0x85, r0, r1, 0, 0); }  // a local function
  [[nodiscard]] Place here() const { return slots_.size(); }
  // The jump goes to `target`, by default to what comes next.
  void land(Place jump, Place target) {
    const auto distance = static_cast<std::int32_t>(target) - static_cast<std::int32_t>(jump) - 1;
    isa::Slot& slot = slots_[jump];
    if (slot.opcode == 0x85) {
      slot.imm = distance;
    } else {
      slot.offset = static_cast<std::int16_t>(distance);
    }
  }
  void land(Place jump) { land(jump, here()); }

  [[nodiscard]] std::vector<isa::Slot> take() { return std::move(slots_); }

 private:
  Place put(unsigned opcode, unsigned dst, unsigned src, int offset, std::int32_t imm) {
    slots_.push_back({.opcode = static_cast<std::uint8_t>(opcode),
                      .dst = static_cast<std::uint8_t>(dst & 0xfU),
                      .src = static_cast<std::uint8_t>(src & 0xfU),
                      .offset = static_cast<std::int16_t>(offset),
                      .imm = imm});
    return slots_.size() - 1;
  }

  std::vector<isa::Slot> slots_;
};

}  // namespace forager::twins
