// SPDX-License-Identifier: Apache-2.0
//
// Emitter: Code to x86-64 machine code, one rule for each Kind. asmjit encodes.
//
// A function of the program is a native function without arguments of its own: registers are where registers.h says,
// the caller has moved r10 to the new frame. It preserves r6 to r9; the main function need not, whoever enters it does.
// The stack pointer is 16-byte aligned where anything is called. What is seldom needed (out of bounds, division by
// zero) is emitted behind the function (`later`).
//
// Tested by: tests/unit/jit_forms_test.cc, jit_device_test.cc and through the backend.
#pragma once

#include "jit-backends/common/cells.h"
#include "jit-backends/common/dispatch.h"
#include "jit-backends/common/generator.h"
#include "jit-backends/common/helper_calls.h"
#include "jit-backends/x86_64/registers.h"

namespace forager::jit::x86_64 {

class Emitter final : public Generator {
 public:
  Emitter(const Code& code, const Settings& settings) : Generator(code, settings, asmjit::Arch::kX64, asm_) {}

 private:
  using Mem = asmjit::x86::Mem;

  template <class E>
  friend void jit::emit_by_rule(E& rules, const Step& step);
  template <class E>
  friend void jit::emit_helper_call(E& rules, const Step& step, isa::ProgType type);

  // The second operand of a step.
  struct Source {
    bool imm = false;
    Gp reg;
    std::int64_t value = 0;
  };

  // emitter.cc
  void emit_enter() override;
  void emit_step(const Step& step) override { emit_by_rule(*this, step); }
  void prologue() override;
  void jump(const Label& to) override { asm_.jmp(to); }
  void trap() override { asm_.ud2(); }
  void emit_data() override;
  void epilogue();
  void clear_frame(const Cleared& range);

  // operands.cc
  [[nodiscard]] static Gp reg(unsigned number) { return kRegisters[number]; }
  [[nodiscard]] static Gp sized(const Gp& reg, unsigned bits) { return bits == 64 ? reg : reg.r32(); }
  [[nodiscard]] Source source(const Step& step);
  void load_constant(const Gp& to, std::uint64_t value);
  void constant(const Step& step) { load_constant(reg(step.dst), step.imm); }
  [[nodiscard]] static Mem cell(std::size_t offset, unsigned bytes = 8);
  void load_symbol(const Gp& to, const Symbol& symbol, std::uint64_t addend = 0);
  void map_object(const Step& step);
  void map_value(const Step& step);
  void function(const Step& step);
  void call(const Symbol& symbol);
  void call(Service service) { call({.kind = Symbol::Kind::service, .index = static_cast<std::uint32_t>(service)}); }

  // arithmetic.cc
  void alu(const Step& step);
  void shift(const Step& step, const Source& amount);
  void shift_by_register(const Step& step, const Gp& amount);
  void shift_in_cl(const Step& step, const Gp& value);
  void move(const Step& step, const Source& from);
  void multiply(const Step& step, const Source& by);
  void extend(const Step& step);
  void truncate(const Step& step);
  void negate(const Step& step);
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
  void update_in_loop(const Step& step, Mem at);
  void load_context(const Step& step);
  void store_context(const Step& step);
  void check_context(std::uint64_t offset, unsigned bytes);
  void load_packet(const Step& step);

  // flow.cc
  void branch(const Step& step);
  void compare(const Step& step, const Source& with);
  void jump_to(const Step& step) { jump(label_of(step.target)); }
  void call_function(const Step& step);
  void tail_call(const Step& step);
  void exit(const Step& step);
  void stop(Stop why);

  // calls.cc
  void call_helper(const Step& step);
  void call_with_run(const Symbol& symbol);
  void note_frame();
  void pass_socket(unsigned number, bool nullable);
  void take_socket();
  void leave_if_stopped();
  void stop_if_faulty();
  void refresh();

  // lookups.cc
  void look_up(const Step& step);
  void call_lookup(const Step& step);
  void look_up_index(const Step& step);
  void look_up_key(const Step& step);
  void load_key(unsigned bytes);
  void find_chain(unsigned key_bytes);
  void mark_used();

  // inlined.cc
  void lane(const Step& step);
  void random(const Step& step);
  void sum(const Step& step);
  void add_words(const Gp& from, std::int32_t bytes);
  void fold_to_32();

  asmjit::x86::Assembler asm_;
  unsigned padding_ = 0;  // bytes below the saved registers of the function at hand
};

}  // namespace forager::jit::x86_64
