// SPDX-License-Identifier: Apache-2.0
//
// The dataflow: blocks in the program's order, each with what is known at its entry.
//
// Every cycle has an edge back, one that does not lead forward in the program's order, whatever its shape. What comes
// along such edges is widened, and no loop structure is asked for. Time is linear: a block whose entry has changed too
// often gives up what changes, a number at a time. Memory is, too: a block that no edge back jumps over is looked at
// once, when all that reach it are done, and what was kept for those before it is freed; and there is a limit on what
// is kept at one time, beyond which nothing is known.
#include "verifier/values.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <ranges>
#include <vector>

#include "verifier/structure.h"
#include "verifier/values_effect.h"

namespace forager::verifier {
namespace {

using isa::Form;
using isa::Op;
using program::Instruction;
using program::Program;

constexpr RegisterSet kArguments = 0x3e;
constexpr u32 kExact = 2;                  // changes of an entry by edges back that are joined before widening
constexpr u32 kRounds = 12;                // ... before it gives up what changes
constexpr u32 kPatience = 60;              // changes by any edge before that
constexpr u32 kLoopBlocks = 64;            // of a loop, looked through for where its counters may stop
constexpr std::size_t kMaxKept = 400'000;  // numbers at entries, at one time

class Flow {
 public:
  Flow(const Program& program, std::span<Facts> facts, std::span<ArgumentFacts> arguments)
      : program_(program), facts_(facts), arguments_(arguments) {}

  // Twice, if there are functions: with no knowledge at their entries, those called before their callers, for what they
  // return; then the other way round, for what they are called with.
  void run() {
    std::vector<u32> order;
    functions_.resize(program_.subprograms().size());
    functions_[0].called_back = true;
    for (u32 number = 0; number < functions_.size(); ++number) add_callees_first(number, order);
    for (const u32 number : order) run(number, {});
    if (order.size() == 1) return;
    for (Function& function : functions_) function.arguments = {};
    for (const u32 number : std::views::reverse(order)) {
      const Function& function = functions_[number];
      run(number, function.called_back ? Numbers{} : function.arguments.numbers);
    }
  }

 private:
  // What holds at each of several places.
  struct Common {
    Numbers numbers;
    bool any = false;
    void add(Numbers&& now) {
      if (any) {
        numbers.join(now, Growth::hull, {});
      } else {
        numbers = std::move(now);
      }
      any = true;
    }
  };
  struct Function {
    Common arguments, result;
    bool called_back = false;  // with arguments that no instruction here chooses
    bool ordered = false;
  };

  // No deeper than calls are, of which the verifier allows few, and no recursion.
  void add_callees_first(u32 number, std::vector<u32>& order) {
    const program::Subprogram& subprogram = program_.subprograms()[number];
    if (functions_[number].ordered || !facts_[subprogram.begin].reachable) return;
    functions_[number].ordered = true;
    for (u32 i = subprogram.begin; i < subprogram.end; ++i) {
      const Instruction& insn = program_.instructions()[i];
      if (insn.op == Op::lddw_func) functions_[program_.subprogram_of(insn.target)].called_back = true;
      if (insn.op == Op::call_local && facts_[i].reachable)
        add_callees_first(program_.subprogram_of(insn.target), order);
    }
    order.push_back(number);
  }

  void run(u32 number, const Numbers& known) {
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

  struct Entry {
    Numbers numbers;
    u32 loop_end = 0;  // behind the last block with an edge back to here
    u32 changes = 0, rounds = 0;
    bool once = false;  // no edge leads back from here or behind to here or before
    bool reached = false;
    bool waiting = false;
  };

  [[nodiscard]] Entry& entry(u32 block) { return entries_[block - first_]; }

  void find_back_edges(u32 count) {
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

  void visit(u32 number) {
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

  void step(u32 at, Numbers& numbers) {
    const Instruction& insn = program_.instructions()[at];
    Function* callee = insn.op == Op::call_local ? &functions_[program_.subprogram_of(insn.target)] : nullptr;
    if (callee != nullptr) callee->arguments.add(numbers.only(kArguments));
    execute(program_, insn, facts_[at], arguments_, numbers);
    if (callee != nullptr) take_result(*callee, numbers);
    if (insn.op == Op::exit) function_->result.add(numbers.only(1));
    if (is_tail_call(insn)) function_->result.add({});
  }

  static void take_result(const Function& callee, Numbers& numbers) {
    if (const Scalar* value = callee.result.numbers.find(0)) numbers.set(0, *value);
  }

  // Another program's result may come back in the function's place.
  static bool is_tail_call(const Instruction& insn) {
    const isa::HelperRow* helper = helper_of(insn);
    return helper != nullptr && helper->name == "tail_call";
  }

  void free_before(u32 block) {
    for (; freed_ <= block - first_; ++freed_) {
      kept_ -= entries_[freed_].numbers.size();
      if (freed_ < block - first_) entries_[freed_].numbers = {};
    }
  }

  void note(u32 at, const Numbers& numbers) {
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

  void leave(u32 number, Numbers numbers) {
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

  // What going this way teaches; false if no execution does.
  static bool learn(const Instruction& insn, bool taken, Numbers& numbers) {
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

  void arrive(u32 block, Numbers&& numbers, bool back) {
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

  bool join(u32 block, const Numbers& numbers, bool back) {
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
  std::vector<u64> stops(u32 header) {
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

  const Program& program_;
  const std::span<Facts> facts_;
  const std::span<ArgumentFacts> arguments_;
  std::vector<Function> functions_;
  Function* function_ = nullptr;  // the one at hand
  u32 first_ = 0;                 // its first block
  std::vector<Entry> entries_;
  std::priority_queue<u32, std::vector<u32>, std::greater<>> waiting_;
  std::size_t kept_ = 0;  // numbers in entries_
  u32 freed_ = 0;         // entries before this have none
};

}  // namespace

ValueFact fact_of(const Scalar& value) {
  return {.min = value.u.min,
          .max = value.u.max,
          .signed_min = value.s.min,
          .signed_max = value.s.max,
          .bits = value.bits.value,
          .unknown_bits = value.bits.mask};
}

void add_value_facts(const Program& program, std::span<Facts> facts, std::span<ArgumentFacts> arguments) {
  Flow(program, facts, arguments).run();
}

}  // namespace forager::verifier
