// SPDX-License-Identifier: Apache-2.0
//
// State: what the generator believes of registers and stack while it writes a program, so that most of what it writes
// makes sense. It is a guess and nothing depends on its being right: a verifier's opinion is what is being tested.
//
// Tested by: tests/unit/fuzz_verifier_test.cc.
#pragma once

#include <array>
#include <cstdint>

#include "isa/isa.h"

namespace forager::fuzz {

enum class Kind : std::uint8_t {
  none,
  scalar,
  context,
  packet,
  packet_end,
  packet_meta,
  stack,
  callers_stack,
  map,
  value,
  value_or_null,
  record,
  record_or_null,
};

struct Reg {
  Kind kind = Kind::none;
  std::uint8_t map = 0;      // of values
  std::int32_t offset = 0;   // of pointers: known part, from the region's start (of the stack: from r10)
  std::uint32_t spread = 0;  // of pointers: the unknown part is at most that
  std::uint32_t room = 0;    // of packet pointers and records: bytes behind the region's start, or the unknown part's
  std::int32_t frame_offset = 0;          // of a caller's stack: where the region's start is, from that frame's r10
  std::uint32_t id = 0;                   // copies of one pointer that may be null, or of one packet pointer, share it
  std::uint64_t max = ~std::uint64_t{0};  // of scalars
  friend bool operator==(const Reg&, const Reg&) = default;
};

[[nodiscard]] inline bool is_memory(Kind kind) {
  return kind == Kind::packet || kind == Kind::stack || kind == Kind::value || kind == Kind::record ||
         kind == Kind::callers_stack;
}

struct State {
  static constexpr unsigned kSlots = 64;  // of 8 bytes, the first at r10-8
  struct StackSlot {
    std::uint8_t written = 0;  // bit n: byte n
    Reg spilled;               // kind none: bytes only
    friend bool operator==(const StackSlot&, const StackSlot&) = default;
  };

  std::array<Reg, isa::kRegisters> regs;
  std::array<StackSlot, kSlots> stack;
  std::uint32_t ids = 0;
  std::uint32_t records = 0;  // open ones
  bool moved = false;         // packet pointers from before are no more

  void set(unsigned reg, const Reg& to) { regs[reg] = to; }
  void set_scalar(unsigned reg, std::uint64_t max = ~std::uint64_t{0}) {
    regs[reg] = {.kind = Kind::scalar, .max = max};
  }
  void clobber() {
    for (unsigned i = 0; i < 6; ++i) regs[i] = {};
  }
  // Bytes [from, from + size) relative to r10 are written.
  void write_stack(int from, unsigned size) {
    for (int at = from; at < from + static_cast<int>(size); ++at) {
      StackSlot& slot = stack_slot(at);
      slot.spilled = {};
      slot.written |= static_cast<std::uint8_t>(1U << (at & 7));
    }
  }
  [[nodiscard]] bool is_written(int from, unsigned size) {
    for (int at = from; at < from + static_cast<int>(size); ++at) {
      if ((stack_slot(at).written >> (at & 7) & 1) == 0) return false;
    }
    return true;
  }
  [[nodiscard]] StackSlot& stack_slot(int at) { return stack[static_cast<unsigned>(-1 - at) / 8 % kSlots]; }

  // Another copy of the pointer `id` was found not to be null (or to be: then it is the number 0).
  void resolve(std::uint32_t id, bool null) {
    for (Reg& reg : regs) resolve(reg, id, null);
    for (StackSlot& slot : stack) resolve(slot.spilled, id, null);
  }
  // The packet was found to have `room` bytes behind the pointer `id`'s unknown part.
  void grow(std::uint32_t id, std::uint32_t room) {
    for (Reg& reg : regs) {
      if (reg.kind == Kind::packet && reg.id == id && reg.room < room) reg.room = room;
    }
  }
  void drop_packet() {
    const auto drop = [](Reg& reg) {
      if (reg.kind == Kind::packet || reg.kind == Kind::packet_end || reg.kind == Kind::packet_meta) reg = {};
    };
    for (Reg& reg : regs) drop(reg);
    for (StackSlot& slot : stack) drop(slot.spilled);
  }
  void drop_record(std::uint32_t id) {
    const auto drop = [&](Reg& reg) {
      if (reg.kind == Kind::record && reg.id == id) reg = {};
    };
    for (Reg& reg : regs) drop(reg);
    for (StackSlot& slot : stack) drop(slot.spilled);
  }

  // What holds after either of two paths.
  void meet(const State& other) {
    for (unsigned i = 0; i < regs.size(); ++i) meet(regs[i], other.regs[i]);
    for (unsigned i = 0; i < stack.size(); ++i) {
      stack[i].written &= other.stack[i].written;
      if (!(stack[i].spilled == other.stack[i].spilled)) stack[i].spilled = {};
    }
    records = records > other.records ? records : other.records;
    ids = ids > other.ids ? ids : other.ids;
  }

 private:
  static void resolve(Reg& reg, std::uint32_t id, bool null) {
    if (reg.id != id || (reg.kind != Kind::value_or_null && reg.kind != Kind::record_or_null)) return;
    if (null) {
      reg = {.kind = Kind::scalar, .max = 0};
    } else {
      reg.kind = reg.kind == Kind::value_or_null ? Kind::value : Kind::record;
    }
  }
  static void meet(Reg& reg, const Reg& other) {
    if (reg == other) return;
    if (reg.kind == Kind::scalar && other.kind == Kind::scalar) {
      reg.max = reg.max > other.max ? reg.max : other.max;
    } else if (reg.kind == Kind::packet && other.kind == Kind::packet && reg.id == other.id &&
               reg.offset == other.offset) {
      reg.room = reg.room < other.room ? reg.room : other.room;
    } else {
      reg = {};
    }
  }
};

}  // namespace forager::fuzz
