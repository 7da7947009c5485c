// SPDX-License-Identifier: Apache-2.0
//
// Writes one conformance vector: a program that makes many checks, its input memory, and the result 0.
//
// Operands and expected values stand in the memory, not in the program: an engine that knows constants would compute
// the answer ahead of time and never run the instruction. The program returns 0, or the number of the first check
// that failed, counted from 1. Registers: r6 = memory, r9 = the number of the check; a check may use all others.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "isa/isa.h"

namespace forager::isa::vectors {

inline constexpr unsigned kMemory = 6, kCheck = 9;

[[nodiscard]] Slot instruction(Op op, unsigned dst, unsigned src = 0, int offset = 0, std::int32_t imm = 0);

class ProgramWriter {
 public:
  ProgramWriter();

  // Starts a check: r9 = its number. Everything until the next one belongs to it.
  void begin_check();
  void emit(Slot slot) { code_.push_back(slot); }
  void emit(Op op, unsigned dst, unsigned src = 0, int offset = 0, std::int32_t imm = 0) {
    emit(instruction(op, dst, src, offset, imm));
  }
  // A local call of these functions' first; they come to stand behind the main program, as Linux wants them.
  void call(std::vector<Slot> functions);
  // reg = a value that only the input memory knows. Uses no other register.
  void load_operand(unsigned reg, std::uint64_t value);
  // Ends the check as failed unless the register holds the value. Uses r8.
  void expect(unsigned reg, std::uint64_t value);
  // Ends the check as failed where the program comes by here.
  void fail();

  [[nodiscard]] std::size_t checks() const { return checks_; }
  // `file` in the format of the bpf_conformance suite; `what` becomes its comment.
  void write(const std::filesystem::path& file, std::string_view what) const;

 private:
  struct Call {
    std::size_t at;  // the calling slot
    std::vector<Slot> functions;
  };
  [[nodiscard]] std::vector<Slot> linked() const;

  std::vector<Slot> code_;
  std::vector<Call> calls_;
  std::vector<std::uint8_t> memory_;
  std::size_t checks_ = 0;
};

}  // namespace forager::isa::vectors
