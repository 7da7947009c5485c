// SPDX-License-Identifier: Apache-2.0
//
// A program's frame, and its control flow: branches, loops, functions.
#include "tests/fuzz/verifier/generator.h"

#include <algorithm>

namespace forager::fuzz {
namespace {

constexpr unsigned kJumps[] = {BPF_JEQ,  BPF_JNE,  BPF_JGT,  BPF_JGE,  BPF_JLT, BPF_JLE,
                               BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE, BPF_JSET};
constexpr unsigned kMaxDepth = 3;
constexpr std::size_t kMaxFunctions = 2;

}  // namespace

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
    state_.set(i, functions_[index].entry.regs[i]);
    Reg& reg = state_.regs[i];
    if (global_functions_) state_.set_scalar(i);
    if (reg.kind == Kind::stack) {
      reg = {.kind = Kind::callers_stack, .spread = reg.spread, .room = static_cast<std::uint32_t>(-reg.offset)};
    }
  }
  state_.set(10, {.kind = Kind::stack});
  state_.ids = 1000;
  in_function_ = true;
  out_ = code_.label();
  budget_ = 2 + static_cast<unsigned>(random_.below(5));
  while (budget_ > 0) statement();
  leave_function();
}

void Generator::leave_function() {
  end_records();
  const int number = find([](const Reg& reg) { return reg.kind == Kind::scalar; });
  if (number >= 0 && random_.percent(in_function_ ? 80 : 40) && number != 10) {
    if (number != 0) code_.emit(copy(0, static_cast<unsigned>(number)));
    if (!in_function_ && !mistake()) code_.emit(alu(BPF_ALU64, BPF_AND, 0, 3));
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
      &Generator::load_packet_pointers,
  };
  if (budget_ > 0) --budget_;
  for (unsigned tries = 0; tries < 4; ++tries) {
    if ((this->*random_.pick(kWrites))()) return;
  }
}

// Leaves the function if the branch is taken. A program that would leave a record open goes on in both cases.
void Generator::guard(const Slot& leaves_if) {
  if (mistake() && mistake()) return;
  if (state_.records > 0) {
    code_.emit(leaves_if);  // to the next instruction, wherever it is taken
    return;
  }
  code_.jump(leaves_if, out_);
}

// A comparison of a number with another, which is `with`, one that breaks ranges, or in a register.
Slot Generator::comparison(unsigned reg, std::optional<std::uint64_t> with) {
  const unsigned width = random_.percent(60) ? BPF_JMP : BPF_JMP32;
  const unsigned op = random_.pick(kJumps);
  const int other = find([](const Reg& one) { return one.kind == Kind::scalar; });
  if (!with && other >= 0 && static_cast<unsigned>(other) != reg && random_.percent(35)) {
    return branch_reg(width, op, reg, static_cast<unsigned>(other));
  }
  return branch(width, op, reg, static_cast<std::int32_t>(with.value_or(interesting(random_))));
}

void Generator::both_ways(const Slot& test, const std::function<void()>& taken,
                          const std::function<void()>& not_taken) {
  const Code::Label then = code_.label(), join = code_.label();
  code_.jump(test, then);
  const State before = state_;
  not_taken();
  code_.jump(join);
  State after = state_;
  state_ = before;
  state_.ids = after.ids;
  code_.bind(then);
  taken();
  code_.bind(join);
  if (random_.percent(hopeful_)) {  // as if there were but one way
    if (random_.coin()) state_ = after;
  } else {
    state_.meet(after);
  }
}

// Pointers compared with nothing, or with each other: only the former is ever decided.
bool Generator::branch_on_pointer() {
  if (depth_ >= kMaxDepth || state_.records > 0) return false;
  const int found = find([](const Reg& reg) { return is_memory(reg.kind) || reg.kind == Kind::context; });
  const int other = find([](const Reg& reg) { return is_memory(reg.kind) || reg.kind == Kind::packet_end; });
  if (found < 0 || other < 0) return false;
  constexpr unsigned kSame[] = {BPF_JEQ, BPF_JNE};
  const auto reg = static_cast<unsigned>(found);
  const unsigned width = random_.percent(85) ? BPF_JMP : BPF_JMP32;
  const bool with_nothing = random_.percent(60);
  const unsigned op = with_nothing && random_.percent(85) ? random_.pick(kSame) : random_.pick(kJumps);
  const Slot test = with_nothing ? branch(width, op, reg, width == BPF_JMP && random_.percent(85) ? 0 : 1)
                                 : branch_reg(width, op, reg, static_cast<unsigned>(other));
  const auto some = [this] { block(static_cast<unsigned>(random_.below(3))); };
  both_ways(test, some, some);
  return true;
}

// A copy of `reg` on one way, something else of its kind on the other; what is found of the one is then used of the
// other. It is for pruning and links that mistake the ways for each other: nearly all of these must be refused.
bool Generator::two_ways() {
  if (depth_ >= kMaxDepth - 1 || state_.records > 0 || kept_ != 0) return false;
  const int found = find([](const Reg& reg) {
    return reg.kind == Kind::value_or_null || (reg.kind == Kind::scalar && reg.max > 64) ||
           (reg.kind == Kind::packet && reg.id != 0);
  });
  if (found < 0) return false;
  const auto reg = static_cast<unsigned>(found);
  const Reg original = state_.regs[reg];
  const unsigned other = fresh();
  if (other == reg || state_.regs[other].kind == Kind::context) return false;
  kept_ = 1U << reg | 1U << other;
  const bool on_stack = random_.percent(25);
  const auto link = [&] { code_.emit(copy(other, reg)); };
  const auto separate = [&] {
    const int same = find([](const Reg& one) { return one.kind == Kind::scalar && one.max > 64; });
    if (original.kind == Kind::scalar && same >= 0 && static_cast<unsigned>(same) != reg) {
      code_.emit(copy(other, static_cast<unsigned>(same)));
    } else {
      code_.emit(original.kind == Kind::scalar ? mov(other, random_.between(0, 8)) : copy(other, reg));
    }
  };
  const unsigned tested = scalar();
  const Slot test = comparison(tested == other ? reg : tested);
  if (random_.coin()) {
    both_ways(test, link, separate);
  } else {
    both_ways(test, separate, link);
  }
  state_.set(other, original);
  const int at = -8 * static_cast<int>(1 + random_.below(12));
  if (on_stack) code_.emit(store(BPF_DW, 10, at, other)), state_.write_stack(at, 8);
  block(static_cast<unsigned>(random_.below(3)));
  if (on_stack) code_.emit(load(BPF_DW, other, 10, at));
  kept_ = 0;
  if (state_.records > 0) return true;
  return use_other(reg, other, original);
}

// Checks `other` and uses `reg`.
bool Generator::use_other(unsigned reg, unsigned other, const Reg& original) {
  if (original.kind == Kind::value_or_null) {
    code_.jump(branch(BPF_JMP, BPF_JEQ, other, 0), out_);
    state_.resolve(original.id, false);
    touch(reg);
  } else if (original.kind == Kind::scalar) {
    limit_by_branch(other, 1 + random_.below(30));
    state_.set_scalar(reg, 30);
    offset_by(reg, 30);
  } else {
    const int end = find([](const Reg& one) { return one.kind == Kind::packet_end; });
    if (end < 0) return true;
    code_.emit(add(other, 8));
    guard(branch_reg(BPF_JMP, BPF_JGT, other, static_cast<unsigned>(end)));
    const unsigned to = fresh();
    code_.emit(load(BPF_B, to, reg, random_.between(0, 7)));
    state_.set_scalar(to, 255);
  }
  return true;
}

bool Generator::branch_on_scalar() {
  if (depth_ >= kMaxDepth) return false;
  const unsigned reg = scalar();
  const Slot test = comparison(reg);
  const auto some = [this] { block(static_cast<unsigned>(random_.below(3))); };
  if (state_.records == 0 && random_.percent(25)) {
    code_.jump(test, out_);
  } else {
    both_ways(test, some, some);
  }
  return true;
}

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

bool Generator::call_function() {
  if (in_function_ && random_.percent(70)) return false;
  for (unsigned reg = 1; reg < 6; ++reg) {
    const Kind kind = state_.regs[reg].kind;
    const bool wanted = global_functions_ ? kind != Kind::scalar : kind == Kind::none && random_.coin();
    if (wanted && (kept_ >> reg & 1) == 0) load_number(reg, interesting(random_));
  }
  std::size_t which = random_.below(kMaxFunctions);
  if (in_function_) which = functions_.size();  // one that is not yet written, so that nothing recurs
  if (which >= functions_.size()) {
    if (functions_.size() == kMaxFunctions) return false;
    which = functions_.size();
    functions_.push_back({.label = code_.label(), .entry = state_});
  }
  code_.call(functions_[which].label);
  state_.clobber();
  state_.set_scalar(0);
  return true;
}

}  // namespace forager::fuzz
