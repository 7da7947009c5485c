// SPDX-License-Identifier: Apache-2.0
//
// Emitter: Code to x86-64 machine code, one rule for each Kind. asmjit encodes.
//
// A function of the program is a native function without arguments of its own: registers are where registers.h says,
// the caller has moved r10 to the new frame. It preserves r6 to r9; the main function need not, whoever enters it does.
// The stack pointer is 16-byte aligned where anything is called. What is seldom needed (out of bounds, division by
// zero) is emitted behind the function (`later`).
//
// Tested by: tests/unit/jit_golden_test.cc and through the backend.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "jit-backends/common/cells.h"
#include "jit-backends/common/code.h"
#include "jit-backends/common/image.h"
#include "jit-backends/x86_64/registers.h"

namespace forager::jit::x86_64 {

struct Settings {
  std::uint32_t features = 0;  // Features
  bool blind_constants = false;
  std::uint64_t blinding = 0;  // what constants are hidden with
};

class Emitter : private asmjit::ErrorHandler {
 public:
  Emitter(const Code& code, const Settings& settings);

  // Errors: bug, if asmjit refuses what a rule made.
  [[nodiscard]] Result<MachineCode> run();

 private:
  using Mem = asmjit::x86::Mem;
  using Label = asmjit::Label;

  // The second operand of a step.
  struct Source {
    bool imm = false;
    Gp reg;
    std::int64_t value = 0;
  };
  struct Veneer {
    Symbol symbol;
    Label label;
  };

  void handleError(asmjit::Error error, const char* message, asmjit::BaseEmitter* origin) override;

  // emitter.cc
  void emit_enter();
  void emit_subprogram(std::uint32_t index);
  void emit_block(std::uint32_t block, std::uint32_t following);
  void emit_step(const Step& step);
  void prologue(std::uint32_t subprogram);
  void epilogue();
  void clear_frame(const Cleared& range);
  void emit_later();
  void emit_veneers();
  [[nodiscard]] Label label_of(std::uint32_t instruction) const;
  [[nodiscard]] Result<MachineCode> finish();

  // operands.cc
  [[nodiscard]] static Gp reg(unsigned number) { return kRegisters[number]; }
  [[nodiscard]] static Gp sized(const Gp& reg, unsigned bits) { return bits == 64 ? reg : reg.r32(); }
  [[nodiscard]] Source source(const Step& step);
  void load_constant(const Gp& to, std::uint64_t value);
  [[nodiscard]] static Mem cell(std::size_t offset, unsigned bytes = 8);
  void load_symbol(const Gp& to, const Symbol& symbol, std::uint64_t addend = 0);
  void call(const Symbol& symbol);
  [[nodiscard]] bool has(std::uint32_t feature) const { return (settings_.features & feature) != 0; }

  // arithmetic.cc
  void alu(const Step& step);
  void shift(const Step& step, const Source& amount);
  void shift_by_register(const Step& step, const Gp& amount);
  void shift_in_cl(const Step& step, const Gp& value);
  void move(const Step& step, const Source& from);
  void multiply(const Step& step, const Source& by);
  void extend(const Step& step);
  void truncate(const Step& step);
  void swap(const Step& step);
  void swap_register(const Gp& reg, unsigned bytes);
  void rotate(const Step& step);
  void add_to(const Step& step);

  // division.cc
  void divide(const Step& step, const Source& by);
  void divide_by_constant(const Step& step, std::uint64_t divisor);
  void divide_by_power(const Step& step, unsigned bits);
  void multiply_high(const Gp& to, const Gp& by, std::uint64_t constant);
  void divide_by_register(const Step& step, const Gp& divisor);
  void divide_by_zero(const Step& step);
  void divide_by_minus_one(const Step& step);

  // memory.cc
  [[nodiscard]] Mem address(const Step& step, const Gp& base);
  void load(const Step& step);
  void load_from(const Gp& to, Mem from, unsigned bytes, bool sign);
  void load_swapped(const Step& step);
  void store(const Step& step);
  void store_to(Mem to, unsigned bytes, const Source& value);
  void atomic(const Step& step);
  void exchange(const Step& step, Mem at);
  void update_in_loop(const Step& step, Mem at);
  void load_context(const Step& step);
  void store_context(const Step& step);
  void check_context(std::uint64_t offset, unsigned bytes);
  void load_packet(const Step& step);

  // flow.cc
  void branch(const Step& step);
  void compare(const Step& step, const Source& with);
  void call_function(const Step& step);
  void tail_call();
  void exit();
  void stop(Stop why);
  void later(std::function<void()> emit) { later_.push_back({at_, std::move(emit)}); }

  // calls.cc
  void call_helper(const Step& step);
  void look_up(const Step& step);
  void look_up_index(const Step& step);
  void pass_arguments(const isa::HelperRow& helper);
  void pass_socket(unsigned index, bool nullable);
  void take_result(const isa::HelperRow& helper);
  void check_after(const isa::HelperRow& helper);
  void refresh();

  const Code& code_;
  const program::Program& program_;
  Settings settings_;
  asmjit::CodeHolder holder_;
  asmjit::x86::Assembler asm_;
  std::string error_;
  MachineCode made_;
  std::vector<Label> labels_;     // by block
  std::vector<Label> functions_;  // by subprogram
  Label leave_, dead_;
  std::vector<Veneer> veneers_;

  // Of the function at hand.
  struct Deferred {
    std::uint32_t at;
    std::function<void()> emit;
  };
  bool is_main_ = false;
  std::vector<Gp> saved_;
  unsigned padding_ = 0;  // bytes below the saved registers
  std::uint32_t at_ = 0;  // instruction
  std::vector<Deferred> later_;
};

}  // namespace forager::jit::x86_64
