// SPDX-License-Identifier: Apache-2.0
//
// Branches: comparisons that break ranges, ways that meet again, and what is believed after they did.
#include "tests/fuzz/verifier/generator.h"

namespace forager::fuzz {
namespace {

constexpr unsigned kJumps[] = {BPF_JEQ,  BPF_JNE,  BPF_JGT,  BPF_JGE,  BPF_JLT, BPF_JLE,
                               BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE, BPF_JSET};

}  // namespace

void Generator::guard(const Slot& leaves_if) {
  if (mistake() && mistake()) return;
  if (state_.records > 0) {
    code_.emit(leaves_if);  // to the next instruction, wherever it is taken
    return;
  }
  code_.jump(leaves_if, out_);
}

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
}  // namespace forager::fuzz
