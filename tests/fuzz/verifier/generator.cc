// SPDX-License-Identifier: Apache-2.0
//
// A program's frame, its loops and its functions.
#include "tests/fuzz/verifier/generator.h"

namespace forager::fuzz {

std::vector<Slot> Generator::program(bool global_functions) {
  global_functions_ = global_functions;
  constexpr unsigned kCareless[] = {0, 0, 0, 0, 1, 1, 2, 5};
  careless_ = random_.pick(kCareless);
  hopeful_ = random_.percent(20) ? 40 : 0;
  main_function();
  for (std::size_t i = 0; i < functions_.size(); ++i) function(i);
  return code_.finish();
}

void Generator::main_function() {
  out_ = code_.label();
  state_.set(1, {.kind = Kind::context});
  state_.set(10, {.kind = Kind::stack});
  if (random_.percent(90)) {
    code_.emit(copy(6, 1));
    state_.set(6, {.kind = Kind::context});
  }
  if (random_.percent(60)) load_packet_pointers();
  if (random_.percent(50)) use_direct_value();
  budget_ = 4 + static_cast<unsigned>(random_.below(random_.percent(20) ? random_.percent(20) ? 48 : 24 : 12));
  while (budget_ > 0) statement();
  leave_function();
}

// A static function is verified at its calls; it is written with the state of the first.
void Generator::function(std::size_t index) {
  code_.bind(functions_[index].label);
  state_ = State{};
  for (unsigned i = 1; i < 6; ++i) {
    state_.set(i, as_seen_by_callee(functions_[index].entry, functions_[index].entry.regs[i]));
    if (global_functions_) state_.set_scalar(i);
  }
  state_.set(10, {.kind = Kind::stack});
  state_.ids = 1000;
  current_ = index + 1;
  out_ = code_.label();
  budget_ = 2 + static_cast<unsigned>(random_.below(5));
  if (find([](const Reg& reg) { return reg.kind == Kind::callers_stack; }) >= 0) use_lent_stack();
  while (budget_ > 0) statement();
  leave_function();
}

void Generator::leave_function() {
  end_records();
  const int number = find([](const Reg& reg) { return reg.kind == Kind::scalar; });
  if (number >= 0 && random_.percent(current_ != 0 ? 80 : 40) && number != 10) {
    if (number != 0) code_.emit(copy(0, static_cast<unsigned>(number)));
    if (current_ == 0 && !mistake()) code_.emit(alu(BPF_ALU64, BPF_AND, 0, 3));
  } else if (!mistake()) {
    code_.emit(mov(0, random_.between(0, 4)));
  }
  code_.emit(leave());
  if (!code_.is_used(out_)) return;  // code that nothing reaches is refused
  code_.bind(out_);
  code_.emit(mov(0, 1));
  code_.emit(leave());
}

void Generator::block(unsigned statements) {
  ++depth_;
  for (; statements > 0 && budget_ > 0; --statements) statement();
  --depth_;
}

void Generator::statement() {
  using Write = bool (Generator::*)();
  static constexpr Write kWrites[] = {
      &Generator::arithmetic,
      &Generator::arithmetic,
      &Generator::arithmetic,
      &Generator::move,
      &Generator::move,
      &Generator::load_scalar,
      &Generator::load_scalar,
      &Generator::store_something,
      &Generator::store_something,
      &Generator::spill,
      &Generator::spill,
      &Generator::fill,
      &Generator::fill,
      &Generator::variable_offset,
      &Generator::variable_offset,
      &Generator::variable_offset,
      &Generator::variable_offset,
      &Generator::check_packet,
      &Generator::check_packet,
      &Generator::lookup,
      &Generator::lookup,
      &Generator::check_null,
      &Generator::use_direct_value,
      &Generator::branch_on_scalar,
      &Generator::branch_on_scalar,
      &Generator::branch_on_scalar,
      &Generator::loop,
      &Generator::call_function,
      &Generator::record,
      &Generator::end_record,
      &Generator::plain_helper,
      &Generator::memory_helper,
      &Generator::change_map,
      &Generator::atomic_operation,
      &Generator::move_packet,
      &Generator::tail_call,
      &Generator::pointer_difference,
      &Generator::two_ways,
      &Generator::branch_on_pointer,
      &Generator::come_back_from_the_end,
      &Generator::other_helper,
      &Generator::dynptr,
      &Generator::check_packet_two_ways,
      &Generator::load_packet_pointers,
  };
  if (budget_ > 0) --budget_;
  for (unsigned tries = 0; tries < 4; ++tries) {
    if ((this->*random_.pick(kWrites))()) return;
  }
}

// Leaves the function if the branch is taken. A program that would leave a record open goes on in both cases.
// A comparison of a number with another, which is `with`, one that breaks ranges, or in a register.
// Pointers compared with nothing, or with each other: only the former is ever decided.
// A copy of `reg` on one way, something else of its kind on the other; what is found of the one is then used of the
// other. It is for pruning and links that mistake the ways for each other: nearly all of these must be refused.
// Checks `other` and uses `reg`.
// A counter in a register of its own, up or down, the bound a constant or a limited number.
bool Generator::loop() {
  if (depth_ >= kMaxDepth - 1) return false;
  const unsigned counter = fresh();
  if ((kept_ >> counter & 1) != 0) return false;
  const auto rounds = static_cast<std::int64_t>(1 + random_.below(random_.percent(90) ? 8 : 200));
  const bool down = random_.percent(25);
  std::uint32_t kept = 1U << counter;
  int bound = -1;
  if (!down && random_.percent(30)) {
    const unsigned reg = scalar();
    if (reg != counter && (kept_ >> reg & 1) == 0) {
      bound = static_cast<int>(reg);
      kept |= 1U << reg;
      code_.emit(alu(BPF_ALU64, BPF_AND, reg, 15));
    }
  }
  load_number(counter, down ? static_cast<std::uint64_t>(rounds) : 0);
  state_.set_scalar(counter, static_cast<std::uint64_t>(rounds));
  for (unsigned reg = 0; reg < isa::kRegisters; ++reg) {
    if (state_.regs[reg].kind != Kind::none && state_.regs[reg].kind != Kind::scalar) kept |= 1U << reg;
    if (state_.regs[reg].kind == Kind::scalar && (kept >> reg & 1) == 0) state_.set_scalar(reg);
  }
  const std::uint32_t outer = kept_;
  kept_ |= kept;
  const State entry = state_;
  const Code::Label head = code_.label();
  code_.bind(head);
  block(1 + static_cast<unsigned>(random_.below(3)));
  kept_ = outer;
  for (unsigned reg = 0; reg < 10; ++reg) {  // a round begins as the one before
    if (entry.regs[reg].kind == Kind::scalar && state_.regs[reg].kind != Kind::scalar) load_number(reg, 0);
  }
  if (down) {
    code_.emit(add(counter, -1));
    code_.jump(branch(BPF_JMP, random_.coin() ? BPF_JNE : BPF_JSGT, counter, 0), head);
  } else {
    code_.emit(add(counter, 1));
    const unsigned width = random_.percent(70) ? BPF_JMP : BPF_JMP32;
    const unsigned op = random_.coin() ? BPF_JLT : random_.coin() ? BPF_JNE : BPF_JSLT;
    code_.jump(bound >= 0 ? branch_reg(width, op == BPF_JNE ? BPF_JLT : op, counter, static_cast<unsigned>(bound))
                          : branch(width, op, counter, rounds),
               head);
  }
  return true;
}

}  // namespace forager::fuzz
