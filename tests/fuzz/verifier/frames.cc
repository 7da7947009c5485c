// SPDX-License-Identifier: Apache-2.0
//
// Calls of functions, and the memory that they are lent: their callers' stack, values, the packet. A function that was
// lent stack has two places at the same offset, its own and its caller's; what takes one for the other shows when the
// two hold different numbers.
#include <algorithm>

#include "tests/fuzz/verifier/generator.h"

namespace forager::fuzz {
namespace {

constexpr unsigned kFirstArgument = 1, kLastArgument = 5;

// Bytes from `at` on that are written and hold no pointer.
std::uint32_t written_bytes(State& state, int at) {
  std::uint32_t bytes = 0;
  for (; at < 0 && state.is_written(at, 1); ++at, ++bytes) {
    const Kind spilled = state.stack_slot(at).spilled.kind;
    if (spilled != Kind::none && spilled != Kind::scalar) break;
  }
  return bytes;
}

}  // namespace

// What a function is lent, as it sees it. Stack that nobody wrote may be written.
Reg Generator::as_seen_by_callee(State caller, const Reg& reg) {
  if (reg.kind != Kind::stack) return reg;
  const std::uint32_t written = written_bytes(caller, reg.offset);
  return {.kind = Kind::callers_stack,
          .spread = reg.spread,
          .room = written != 0 ? written : static_cast<std::uint32_t>(-reg.offset),
          .frame_offset = reg.offset};
}

// Functions call those behind them, so that nothing recurs.
bool Generator::call_function() {
  if (current_ != 0 && random_.percent(30)) return false;
  if (current_ == kMaxFunctions) return false;
  const std::size_t which = current_ + random_.below(kMaxFunctions - current_);
  if (which >= functions_.size()) {
    if (functions_.size() == kMaxFunctions) return false;
    lend();
    set_scalar_arguments();
    functions_.push_back({.label = code_.label(), .entry = state_});
    code_.call(functions_.back().label);
  } else {
    set_arguments_like(functions_[which].entry);
    code_.call(functions_[which].label);
  }
  state_.clobber();
  state_.set_scalar(0);
  return true;
}

void Generator::set_scalar_arguments() {
  for (unsigned reg = kFirstArgument; reg <= kLastArgument; ++reg) {
    const Kind kind = state_.regs[reg].kind;
    const bool wanted = global_functions_ ? kind != Kind::scalar : kind == Kind::none && random_.coin();
    if (wanted && (kept_ >> reg & 1) == 0) load_number(reg, interesting(random_));
  }
}

void Generator::lend() {
  if (global_functions_) return;
  for (unsigned count = static_cast<unsigned>(random_.below(3)); count > 0; --count) {
    const auto reg = static_cast<unsigned>(random_.between(kFirstArgument, kLastArgument));
    if ((kept_ >> reg & 1) != 0) continue;
    if (random_.percent(current_ == 0 ? 65 : 35)) {
      lend_stack(reg, static_cast<unsigned>(random_.between(1, 3)));
    } else if (const int from = find([](const Reg& one) { return is_memory(one.kind); }); from >= 0) {
      copy_to(reg, static_cast<unsigned>(from));
    }
  }
}

void Generator::copy_to(unsigned reg, unsigned from) {
  if (reg == from) return;
  code_.emit(copy(reg, from));
  state_.set(reg, state_.regs[from]);
}

// So many words, near r10, where functions put what is theirs.
void Generator::lend_stack(unsigned reg, unsigned words) {
  const int at = -8 * static_cast<int>(words + random_.below(4));
  for (int word = at; word < at + 8 * static_cast<int>(words); word += 8) {
    if (written_bytes(state_, word) < 8 || random_.percent(30)) put_number(10, word, BPF_DW);
  }
  stack_pointer(reg, at);
}

// Small numbers mostly, as keys are; a register's now and then.
void Generator::put_number(unsigned base, int at, unsigned size) {
  const int number = find([](const Reg& reg) { return reg.kind == Kind::scalar; });
  if (number >= 0 && random_.percent(25)) {
    code_.emit(store(size, base, at, static_cast<unsigned>(number)));
  } else {
    code_.emit(store_imm(size, base, at, random_.percent(85) ? random_.between(0, 5) : -1));
  }
  write_stack_at(base, at, bytes_of(size));
}

// A function that is called again: what it was written for, as far as there is something like it.
void Generator::set_arguments_like(const State& entry) {
  for (unsigned reg = kFirstArgument; reg <= kLastArgument; ++reg) {
    const Reg& wanted = entry.regs[reg];
    if ((kept_ >> reg & 1) != 0 || mistake()) continue;
    if (wanted.kind == Kind::scalar || global_functions_) {
      if (state_.regs[reg].kind != Kind::scalar || random_.coin()) load_number(reg, interesting(random_));
    } else if (wanted.kind == Kind::stack || wanted.kind == Kind::callers_stack) {
      lend_stack(reg, (as_seen_by_callee(entry, wanted).room + wanted.spread) / 8 + 1);
    } else {
      const auto* like = std::ranges::find_if(state_.regs, [&](const Reg& one) { return is_like(one, wanted); });
      if (like != state_.regs.end()) copy_to(reg, static_cast<unsigned>(like - state_.regs.begin()));
    }
  }
}

bool Generator::is_like(const Reg& one, const Reg& wanted) {
  return one.kind == wanted.kind && one.map == wanted.map && one.spread == wanted.spread &&
         one.offset == wanted.offset && one.room >= wanted.room;
}

// A function's first doing, since what comes later has mostly lost its arguments.
void Generator::use_lent_stack() {
  const auto what = random_.below(10);
  if (what < 4) lookup();
  if (what >= 7) call_function();
}

// r2 becomes a pointer to a key in the caller's stack, and something else stands at that offset of the function's own;
// or the other way round.
bool Generator::key_in_one_of_two_frames(unsigned map) {
  const std::uint32_t bytes = map_specs()[map].key_size;
  const int found = find([](const Reg& reg) { return reg.kind == Kind::callers_stack && reg.spread == 0; });
  if (found < 0) return false;
  const auto theirs = static_cast<unsigned>(found);
  const Reg reg = state_.regs[theirs];
  const int at = reg.frame_offset + reg.offset;
  if (std::int64_t{reg.room} - reg.offset < bytes || at % static_cast<int>(bytes) != 0) return false;
  const unsigned size = bytes == 8 ? BPF_DW : BPF_W;
  const bool theirs_first = random_.coin(), theirs_stays = random_.percent(30);
  if (theirs_first && !theirs_stays) put_number(theirs, 0, size);
  put_number(10, at, size);
  if (!theirs_first && !theirs_stays) put_number(theirs, 0, size);
  if (random_.percent(75)) {
    copy_to(2, theirs);
  } else {
    stack_pointer(2, at);
  }
  return true;
}

}  // namespace forager::fuzz
