// SPDX-License-Identifier: Apache-2.0
//
// The dataflow: blocks in the program's order, each with what is known at its entry.
//
// Every cycle has an edge that does not lead forward in the program's order, whatever its shape; the targets of such
// edges are where ranges are widened, and no loop structure is asked for. Time is linear: a block whose entry has
// changed kPatience times gives up what changes, an entry at a time. Memory is, too: a block that no such edge jumps
// over is looked at once, when all that reach it are done, and what was kept for those before it is freed; and there
// is a limit on what is kept at one time, beyond which nothing is known.
#include "verifier/values.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <vector>

#include "verifier/structure.h"
#include "verifier/values_effect.h"

namespace forager::verifier {
namespace {

using isa::Form;
using program::Instruction;
using program::Program;

constexpr u32 kExact = 2;                  // changes of an entry that are joined before widening
constexpr u32 kPatience = 12;              // changes of an entry before it gives up
constexpr u32 kLoopBlocks = 64;            // of a loop, looked through for where its counters may stop
constexpr std::size_t kMaxKept = 400'000;  // numbers at entries, at one time

class Flow {
 public:
  Flow(const Program& program, std::span<Facts> facts, std::span<ArgumentFacts> arguments)
      : program_(program), facts_(facts), arguments_(arguments) {}

  void run(const program::Subprogram& subprogram) {
    if (!facts_[subprogram.begin].reachable) return;
    first_ = subprogram.entry_block;
    find_back_edges(program_.block_of(subprogram.end - 1) + 1 - first_);
    arrive(first_, {});
    while (!waiting_.empty()) {
      const u32 block = waiting_.top();
      waiting_.pop();
      visit(block);
    }
  }

 private:
  struct Entry {
    Numbers numbers;
    u32 back_from = 0;  // last block with an edge back to here, if `returns`
    bool returns = false;
    bool once = false;  // no edge leads from here or behind to here or before
    bool reached = false;
    bool waiting = false;
    u32 changes = 0;
  };

  [[nodiscard]] Entry& entry(u32 block) { return entries_[block - first_]; }

  void find_back_edges(u32 count) {
    entries_.assign(count, {});
    kept_ = freed_ = 0;
    for (u32 from = first_; from < first_ + count; ++from) {
      for (const u32 to : program_.blocks()[from].successors) {
        if (to > from) continue;
        entry(to).returns = true;
        entry(to).back_from = from;
      }
    }
    u32 end = 0;  // of the loops so far
    for (u32 block = first_; block < first_ + count; ++block) {
      if (entry(block).returns) end = std::max(end, entry(block).back_from + 1);
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
      execute(program_, program_.instructions()[i], facts_[i], arguments_, numbers);
    }
    numbers.forget_registers(static_cast<RegisterSet>(~facts_[block.end - 1].live));
    leave(block, std::move(numbers));
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

  void leave(const program::Block& block, Numbers numbers) {
    const Instruction& last = program_.instructions()[block.end - 1];
    const Form form = isa::row(last.op).form;
    if (form != Form::jump_imm && form != Form::jump_reg) {
      if (!block.successors.empty()) arrive(block.successors[0], std::move(numbers));
      return;
    }
    Numbers taken = numbers;
    const Branch branch = facts_[block.end - 1].branch;
    if (branch != Branch::always && learn(last, false, numbers)) arrive(block.successors[0], std::move(numbers));
    if (branch != Branch::never && learn(last, true, taken)) arrive(block.successors[1], std::move(taken));
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
    if (by_register && insn.dst == insn.src) return true;
    if (!refine(taken ? condition : opposite(condition), width, a, b)) return false;
    numbers.set(insn.dst, a);
    if (by_register) numbers.set(insn.src, b);
    return true;
  }

  void arrive(u32 block, Numbers&& numbers) {
    Entry& at = entry(block);
    bool changed = !at.reached;
    kept_ -= at.numbers.size();
    if (at.reached) {
      changed = join(block, numbers);
    } else if (kept_ + numbers.size() <= kMaxKept) {
      at.numbers = std::move(numbers);
    }
    kept_ += at.numbers.size();
    at.reached = true;
    if (!changed || at.waiting) return;
    at.waiting = true;
    waiting_.push(block);
  }

  bool join(u32 block, const Numbers& numbers) {
    Entry& at = entry(block);
    const u32 changes = at.waiting ? 0 : at.changes;
    if (changes >= kPatience) return at.numbers.join(numbers, Growth::drop, {});
    const bool widens = at.returns && changes >= kExact;
    const bool changed =
        at.numbers.join(numbers, widens ? Growth::widen : Growth::hull, widens ? stops(block) : std::vector<s64>{});
    if (changed && !at.waiting) ++at.changes;
    return changed;
  }

  // Where a loop's counters may stop: near what its conditions compare them with.
  std::vector<s64> stops(u32 header) {
    std::vector<s64> out;
    const u32 end = std::min(entry(header).back_from + 1, header + kLoopBlocks);
    for (u32 block = header; block < end; ++block) {
      const u32 last = program_.blocks()[block].end - 1;
      const Instruction& insn = program_.instructions()[last];
      const Form form = isa::row(insn.op).form;
      const auto add = [&](u64 value) {
        for (const u64 near : {value - 1, value, value + 1}) out.push_back(static_cast<s64>(near));
      };
      if (form == Form::jump_imm) add(insn.imm);
      if (form != Form::jump_reg) continue;
      for (const ValueFact* fact : {&facts_[last].dst, &facts_[last].src}) {
        add(fact->min);
        add(fact->max);
      }
    }
    return out;
  }

  const Program& program_;
  const std::span<Facts> facts_;
  const std::span<ArgumentFacts> arguments_;
  u32 first_ = 0;  // block of the function at hand
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
  Flow flow(program, facts, arguments);
  for (const program::Subprogram& subprogram : program.subprograms()) flow.run(subprogram);
}

}  // namespace forager::verifier
