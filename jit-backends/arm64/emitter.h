// SPDX-License-Identifier: Apache-2.0
//
// Emitter: Code to AArch64 machine code, one rule for each Kind. asmjit encodes.
//
// A function of the program is a native function without arguments of its own: registers are where registers.h says,
// the caller has moved r10 to the new frame. It preserves r6 to r9; the main function need not, whoever enters it does.
// One that calls has a frame record (X29, X30), so debuggers find the way back; the stack pointer is a multiple of 16
// everywhere.
//
// Conditional branches, literals and ADR reach 1 MiB. Code that is longer is made anew with Settings::far, where each
// of them goes by something next to it.
//
// Tested by: tests/unit/jit_arm64_test.cc and through the backend.
#pragma once

#include "jit-backends/arm64/registers.h"
#include "jit-backends/common/cells.h"
#include "jit-backends/common/dispatch.h"
#include "jit-backends/common/divide.h"
#include "jit-backends/common/generator.h"
#include "jit-backends/common/helper_calls.h"

namespace forager::jit::arm64 {

class Emitter final : public Generator {
 public:
  Emitter(const Code& code, const Settings& settings) : Generator(code, settings, asmjit::Arch::kAArch64, asm_) {}

 private:
  using Mem = asmjit::a64::Mem;
  using CondCode = asmjit::a64::CondCode;

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
  // Data behind the code that is loaded from there.
  struct Literal {
    Symbol symbol;
    std::uint64_t addend;
    Label label;
  };

  // emitter.cc
  void emit_enter() override;
  void emit_step(const Step& step) override;
  void prologue() override;
  void jump(const Label& to) override { asm_.b(to); }
  void trap() override { asm_.brk(0); }
  void emit_data() override;
  void epilogue();
  void clear_frame(const Cleared& range);
  [[nodiscard]] std::int32_t frame_bytes() const;

  // copies.cc
  [[nodiscard]] bool next_takes(const Step& copy) const;
  // The first operand of a step that changes its dst.
  [[nodiscard]] Gp first(const Step& step) const { return copied_ != kNothing ? reg(copied_) : reg(step.dst); }

  // operands.cc
  [[nodiscard]] static Gp reg(unsigned number) { return kRegisters[number]; }
  [[nodiscard]] static Gp sized(const Gp& reg, unsigned bits) { return bits == 64 ? Gp(reg.x()) : Gp(reg.w()); }
  [[nodiscard]] Source source(const Step& step);
  [[nodiscard]] Gp in_register(const Source& source, unsigned width);
  void load_constant(const Gp& to, std::uint64_t value);
  void constant(const Step& step) { load_constant(reg(step.dst), step.imm); }
  void add_constant(const Gp& to, const Gp& from, std::int64_t value);
  void compare_constant(const Gp& reg, std::int64_t value);
  [[nodiscard]] static Mem cell(std::size_t offset) { return Mem(kCells, static_cast<std::int32_t>(offset)); }
  void load_symbol(const Gp& to, const Symbol& symbol, std::uint64_t addend = 0);
  void map_object(const Step& step);
  void map_value(const Step& step);
  void function(const Step& step);
  void call(const Symbol& symbol);
  void call(Service service) { call({.kind = Symbol::Kind::service, .index = static_cast<std::uint32_t>(service)}); }

  // arithmetic.cc
  void alu(const Step& step);
  void add(const Step& step, const Source& by);
  void combine(const Step& step, const Source& with);
  void move(const Step& step, const Source& from);
  void shift(const Step& step, const Source& amount);
  void extend(const Step& step);
  void truncate(const Step& step);
  void negate(const Step& step);
  void swap(const Step& step);
  void rotate(const Step& step);
  void add_to(const Step& step);

  // division.cc
  void divide(const Step& step, const Source& by);
  void divide_by_constant(const Step& step, std::uint64_t divisor);
  void divide_by_power(const Step& step, unsigned bits);
  void divide_by_register(const Step& step, const Gp& divisor);
  void quotient(const Gp& to, const Step& step, std::uint64_t divisor);
  void wide_quotient(const Gp& to, const Gp& dividend, const Reciprocal& by);

  // memory.cc
  [[nodiscard]] Mem operand(const Gp& base, std::int64_t offset, unsigned bytes);
  [[nodiscard]] Mem address(const Step& step, const Gp& base);
  [[nodiscard]] Mem checked_address(const Gp& base, std::int64_t offset, unsigned bytes);
  void load(const Step& step);
  void load_from(const Gp& to, const Mem& from, unsigned bytes, bool sign);
  void load_swapped(const Step& step);
  void store(const Step& step);
  void store_zeros(const Step& step);
  void store_to(const Mem& to, unsigned bytes, const Gp& value);

  // atomics.cc
  void atomic(const Step& step);
  void atomic_instruction(const Step& step, const Mem& at);
  void atomic_loop(const Step& step, const Mem& at);
  void compare_in_loop(const Step& step, const Mem& at);
  void store_released(const Gp& value, const Mem& at, const Label& again);

  // context.cc
  void load_context(const Step& step);
  void store_context(const Step& step);
  [[nodiscard]] Mem context_field(std::uint64_t offset, unsigned bytes);
  void settle_store(std::uint64_t offset);
  void load_packet(const Step& step);

  // flow.cc
  void branch(const Step& step);
  void compare(const Step& step, const Source& with);
  void go_if(CondCode condition, const Label& to);
  void go_if_zero(const Gp& reg, const Label& to);
  void go_if_set(const Gp& reg, const Label& to);
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
  void add_multiple(std::uint64_t stride);
  void look_up_key(const Step& step);
  void compare_word(const Gp& with, std::uint32_t offset);
  void find_chain(unsigned key_bytes);
  void fold(const Gp& value, const Gp& by);
  void mark_used();

  // inlined.cc
  void lane(const Step& step);
  void random(const Step& step);
  void sum(const Step& step);
  void add_words(const Gp& from, std::int32_t bytes);
  void fold_to_32();

  static constexpr unsigned kNothing = ~0U;

  asmjit::a64::Assembler asm_;
  unsigned copied_ = kNothing;  // the BPF register whose copy the step at hand would change
  std::vector<Literal> literals_;
};

}  // namespace forager::jit::arm64
