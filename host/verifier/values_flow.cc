// SPDX-License-Identifier: Apache-2.0
#include "verifier/values_flow.h"

#include <algorithm>

#include "verifier/alu_form.h"
#include "verifier/structure.h"
#include "verifier/values.h"
#include "verifier/values_effect.h"

namespace forager::verifier {
namespace {

using isa::Form;
using isa::Op;
using program::Instruction;

constexpr RegisterSet kArguments = 0x3e;
constexpr u32 kExact = 2;                  // changes of an entry by edges back that are joined before widening
constexpr u32 kRounds = 12;                // ... before it gives up what changes
constexpr u32 kPatience = 60;              // changes by any edge before that
constexpr u32 kLoopBlocks = 64;            // of a loop, looked through for where its counters may stop
constexpr std::size_t kMaxKept = 400'000;  // numbers at entries, at one time

void take_result(const Function& callee, Numbers& numbers) {
  if (const Scalar* value = callee.result.numbers.find(0)) numbers.set(0, *value);
}

// Another program's result may come back in the function's place.
bool is_tail_call(const Instruction& insn) {
  const isa::HelperRow* helper = helper_of(insn);
  return helper != nullptr && helper->name == "tail_call";
}

// What going this way teaches; false if no execution does.
bool learn(const Instruction& insn, bool taken, Numbers& numbers) {
  const bool by_register = isa::row(insn.op).form == Form::jump_reg;
  const unsigned width = isa::row(insn.op).width;
  const Scalar immediate = Scalar::constant(insn.imm);
  const Scalar *dst = numbers.find(insn.dst), *src = by_register ? numbers.find(insn.src) : &immediate;
  if (dst == nullptr || src == nullptr) return true;
  Scalar a = *dst, b = *src;
  const Condition condition = condition_of(insn.op);
  const Outcome outcome = decide(condition, width, a, b);
  if (outcome != Outcome::unknown) return taken == (outcome == Outcome::always);
  if (!refine(taken ? condition : opposite(condition), width, a, b)) return false;
  numbers.set(insn.dst, a);
  if (by_register) numbers.set(insn.src, b);
  return true;
}

}  // namespace

void Common::add(Numbers&& now) {
  if (any) {
    numbers.join(now, Growth::hull, {});
  } else {
    numbers = std::move(now);
  }
  any = true;
}

void Flow::run(u32 number, const Numbers& known) {
  const program::Subprogram& subprogram = program_.subprograms()[number];
  function_ = &functions_[number];
  first_ = subprogram.entry_block;
  find_back_edges(program_.block_of(subprogram.end - 1) + 1 - first_);
  arrive(first_, Numbers(known), false);
  while (!waiting_.empty()) {
    const u32 block = waiting_.top();
    waiting_.pop();
    visit(block);
  }
}

void Flow::find_back_edges(u32 count) {
  entries_.assign(count, {});
  kept_ = freed_ = 0;
  for (u32 from = first_; from < first_ + count; ++from) {
    for (const u32 to : program_.blocks()[from].successors) {
      if (to <= from) entry(to).loop_end = from + 1;
    }
  }
  u32 end = 0;  // of the loops so far
  for (u32 block = first_; block < first_ + count; ++block) {
    end = std::max(end, entry(block).loop_end);
    entry(block).once = end <= block;
  }
}

// ---- a block ----

void Flow::visit(u32 number) {
  Entry& at = entry(number);
  at.waiting = false;
  if (at.once) free_before(number);
  Numbers numbers = at.once ? std::move(at.numbers) : at.numbers;
  const program::Block& block = program_.blocks()[number];
  for (u32 i = block.begin; i < block.end; ++i) {
    if (!facts_[i].reachable) return;
    note(i, numbers);
    step(i, numbers);
  }
  numbers.forget_registers(static_cast<RegisterSet>(~facts_[block.end - 1].live));
  leave(number, std::move(numbers));
}

void Flow::step(u32 at, Numbers& numbers) {
  const Instruction& insn = program_.instructions()[at];
  Function* callee = insn.op == Op::call_local ? &functions_[program_.subprogram_of(insn.target)] : nullptr;
  if (callee != nullptr) callee->arguments.add(numbers.only(kArguments));
  execute(program_, insn, facts_[at], arguments_, numbers);
  if (callee != nullptr) take_result(*callee, numbers);
  if (insn.op == Op::exit) function_->result.add(numbers.only(1));
  if (is_tail_call(insn)) function_->result.add({});
}

void Flow::free_before(u32 block) {
  for (; freed_ <= block - first_; ++freed_) {
    kept_ -= entries_[freed_].numbers.size();
    if (freed_ < block - first_) entries_[freed_].numbers = {};
  }
}

void Flow::note(u32 at, const Numbers& numbers) {
  const Instruction& insn = program_.instructions()[at];
  Facts& facts = facts_[at];
  const isa::Fields fields = isa::fields_of(isa::row(insn.op).form);
  const RegisterSet reads = fields.dst ? register_use(program_, insn).reads : 0;
  const Scalar* dst = (reads >> insn.dst & 1U) != 0 ? numbers.find(insn.dst) : nullptr;
  const Scalar* src = fields.src ? numbers.find(insn.src) : nullptr;
  facts.dst = dst == nullptr ? ValueFact{} : fact_of(*dst);
  facts.src = src == nullptr ? ValueFact{} : fact_of(*src);
  if (facts.call.arguments == program::kNone) return;
  ArgumentFacts& arguments = arguments_[facts.call.arguments];
  for (u32 i = 0; i < arguments.size(); ++i) {
    const Scalar* value = numbers.find(i + 1);
    arguments[i].value = value == nullptr ? ValueFact{} : fact_of(*value);
  }
}

// ---- its ways out ----

void Flow::leave(u32 number, Numbers numbers) {
  const program::Block& block = program_.blocks()[number];
  const Instruction& last = program_.instructions()[block.end - 1];
  const Form form = isa::row(last.op).form;
  const auto go = [&](std::size_t way, Numbers&& known) {
    const u32 next = block.successors[way];
    arrive(next, std::move(known), next <= number);
  };
  if (form != Form::jump_imm && form != Form::jump_reg) {
    if (!block.successors.empty()) go(0, std::move(numbers));
    return;
  }
  Numbers taken = numbers;
  const Branch branch = facts_[block.end - 1].branch;
  if (branch != Branch::always && learn(last, false, numbers)) go(0, std::move(numbers));
  if (branch != Branch::never && learn(last, true, taken)) go(1, std::move(taken));
}

void Flow::arrive(u32 block, Numbers&& numbers, bool back) {
  Entry& at = entry(block);
  bool changed = !at.reached;
  kept_ -= at.numbers.size();
  if (at.reached) {
    changed = join(block, numbers, back);
  } else if (kept_ + numbers.size() <= kMaxKept) {
    at.numbers = std::move(numbers);
  }
  kept_ += at.numbers.size();
  at.reached = true;
  if (!changed || at.waiting) return;
  at.waiting = true;
  waiting_.push(block);
}

bool Flow::join(u32 block, const Numbers& numbers, bool back) {
  Entry& at = entry(block);
  Growth growth = back && at.rounds >= kExact ? Growth::widen : Growth::hull;
  if (at.rounds >= kRounds || at.changes >= kPatience) growth = Growth::drop;
  if (!at.numbers.join(numbers, growth, growth == Growth::widen ? stops(block) : std::vector<u64>{})) return false;
  ++at.changes;
  if (back) ++at.rounds;
  return true;
}

// Where a loop's counters may stop: near the constants that its conditions compare them with, or at the further end
// of what else they are compared with.
std::vector<u64> Flow::stops(u32 header) {
  std::vector<u64> out;
  const u32 end = std::min(entry(header).loop_end, header + kLoopBlocks);
  for (u32 block = header; block < end; ++block) {
    const u32 last = program_.blocks()[block].end - 1;
    const Instruction& insn = program_.instructions()[last];
    const u64 constant = insn.imm;
    const ValueFact &a = facts_[last].dst, &b = facts_[last].src;
    const u64 low = std::min(a.min, b.min), high = std::max(a.max, b.max);
    if (isa::row(insn.op).form == Form::jump_imm) out.insert(out.end(), {constant - 1, constant, constant + 1});
    if (isa::row(insn.op).form == Form::jump_reg) out.insert(out.end(), {low, low + 1, high - 1, high});
  }
  return out;
}

}  // namespace forager::verifier
