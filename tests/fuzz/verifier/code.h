// SPDX-License-Identifier: Apache-2.0
//
// Instructions for generated programs, and Code: a growing program with labels. Opcodes are put together from the
// uapi header's parts, so that the fuzzer does not get its encodings from the tables that it tests.
//
// Tested by: tests/unit/fuzz_verifier_test.cc.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "isa/isa.h"

namespace forager::fuzz {

using isa::Slot;

inline Slot slot(unsigned opcode, unsigned dst, unsigned src, std::int64_t offset, std::int64_t imm) {
  return {.opcode = static_cast<std::uint8_t>(opcode),
          .dst = static_cast<std::uint8_t>(dst & 0xf),
          .src = static_cast<std::uint8_t>(src & 0xf),
          .offset = static_cast<std::int16_t>(offset),
          .imm = static_cast<std::int32_t>(imm)};
}

// `width` is BPF_ALU64 or BPF_ALU, BPF_JMP or BPF_JMP32; `op` is BPF_ADD, BPF_JGT, ...; `size` is BPF_B to BPF_DW.
inline Slot alu(unsigned width, unsigned op, unsigned dst, std::int64_t imm, int offset = 0) {
  return slot(width | op | BPF_K, dst, 0, offset, imm);
}
inline Slot alu_reg(unsigned width, unsigned op, unsigned dst, unsigned src, int offset = 0) {
  return slot(width | op | BPF_X, dst, src, offset, 0);
}
inline Slot mov(unsigned dst, std::int64_t imm) { return alu(BPF_ALU64, BPF_MOV, dst, imm); }
inline Slot copy(unsigned dst, unsigned src) { return alu_reg(BPF_ALU64, BPF_MOV, dst, src); }
inline Slot add(unsigned dst, std::int64_t imm) { return alu(BPF_ALU64, BPF_ADD, dst, imm); }
inline Slot load(unsigned size, unsigned dst, unsigned src, std::int64_t offset, bool sign = false) {
  return slot(BPF_LDX | size | (sign ? 0x80U : BPF_MEM), dst, src, offset, 0);
}
inline Slot store(unsigned size, unsigned dst, std::int64_t offset, unsigned src) {
  return slot(BPF_STX | size | BPF_MEM, dst, src, offset, 0);
}
inline Slot store_imm(unsigned size, unsigned dst, std::int64_t offset, std::int64_t imm) {
  return slot(BPF_ST | size | BPF_MEM, dst, 0, offset, imm);
}
inline Slot atomic(unsigned size, unsigned dst, std::int64_t offset, unsigned src, std::int64_t operation) {
  return slot(BPF_STX | size | BPF_ATOMIC, dst, src, offset, operation);
}
inline Slot branch(unsigned width, unsigned op, unsigned dst, std::int64_t imm) {
  return slot(width | op | BPF_K, dst, 0, 0, imm);
}
inline Slot branch_reg(unsigned width, unsigned op, unsigned dst, unsigned src) {
  return slot(width | op | BPF_X, dst, src, 0, 0);
}
inline Slot helper(std::int64_t id) { return slot(BPF_JMP | BPF_CALL, 0, 0, 0, id); }
inline Slot leave() { return slot(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }
// What does nothing to any state.
inline Slot nothing() { return slot(BPF_JMP | BPF_JA, 0, 0, 0, 0); }

inline bool is_wide(const Slot& at) { return at.opcode == (BPF_LD | BPF_DW | BPF_IMM); }
inline bool is_local_call(const Slot& at) { return at.opcode == (BPF_JMP | BPF_CALL) && at.src == BPF_PSEUDO_CALL; }
// A jump by its offset field.
inline bool is_jump(const Slot& at) {
  const unsigned width = BPF_CLASS(at.opcode), op = BPF_OP(at.opcode);
  if (width == BPF_JMP32) return op != BPF_JA;
  return width == BPF_JMP && op != BPF_CALL && op != BPF_EXIT;
}
inline unsigned bytes_of(unsigned size) { return size == BPF_B ? 1 : size == BPF_H ? 2 : size == BPF_W ? 4 : 8; }

class Code {
 public:
  using Label = std::size_t;

  Label label() {
    places_.push_back(0);
    return places_.size() - 1;
  }
  void bind(Label label) { places_[label] = slots_.size(); }
  void emit(const Slot& one) { slots_.push_back(one); }
  void emit_wide(unsigned dst, unsigned src, std::uint64_t value) {
    emit(slot(BPF_LD | BPF_DW | BPF_IMM, dst, src, 0, static_cast<std::int32_t>(value)));
    emit(slot(0, 0, 0, 0, static_cast<std::int32_t>(value >> 32)));
  }
  void jump(const Slot& one, Label to) {
    uses_.emplace_back(slots_.size(), to);
    emit(one);
  }
  void jump(Label to) { jump(nothing(), to); }
  void call(Label function) { jump(slot(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, 0), function); }
  [[nodiscard]] bool is_used(Label label) const {
    for (const auto& use : uses_) {
      if (use.second == label) return true;
    }
    return false;
  }
  [[nodiscard]] std::size_t size() const { return slots_.size(); }

  // The program, with its labels as distances.
  [[nodiscard]] std::vector<Slot> finish() {
    for (const auto& [at, to] : uses_) {
      const auto distance = static_cast<std::int64_t>(places_[to]) - static_cast<std::int64_t>(at) - 1;
      if (is_local_call(slots_[at])) {
        slots_[at].imm = static_cast<std::int32_t>(distance);
      } else {
        slots_[at].offset = static_cast<std::int16_t>(distance);
      }
    }
    return std::move(slots_);
  }

 private:
  std::vector<Slot> slots_;
  std::vector<std::size_t> places_;
  std::vector<std::pair<std::size_t, Label>> uses_;
};

}  // namespace forager::fuzz
