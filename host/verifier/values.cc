// SPDX-License-Identifier: Apache-2.0
//
// The order of functions, and facts from numbers.
#include "verifier/values.h"

#include <ranges>
#include <vector>

#include "verifier/values_flow.h"

namespace forager::verifier {
namespace {

using isa::Op;
using program::Program;

// Functions that are reached, each behind those that it calls.
class Order {
 public:
  Order(const Program& program, std::span<const Facts> facts, std::span<Function> functions)
      : program_(program), facts_(facts), functions_(functions) {
    functions_[0].called_back = true;
    for (u32 number = 0; number < functions_.size(); ++number) add(number);
  }
  [[nodiscard]] const std::vector<u32>& numbers() const { return numbers_; }

 private:
  // No deeper than calls are, of which the verifier allows few, and no recursion.
  void add(u32 number) {
    const program::Subprogram& subprogram = program_.subprograms()[number];
    if (functions_[number].ordered || !facts_[subprogram.begin].reachable) return;
    functions_[number].ordered = true;
    for (u32 at = subprogram.begin; at < subprogram.end; ++at) {
      const program::Instruction& insn = program_.instructions()[at];
      if (insn.op == Op::lddw_func) functions_[program_.subprogram_of(insn.target)].called_back = true;
      if (insn.op == Op::call_local && facts_[at].reachable) add(program_.subprogram_of(insn.target));
    }
    numbers_.push_back(number);
  }

  const Program& program_;
  std::span<const Facts> facts_;
  std::span<Function> functions_;
  std::vector<u32> numbers_;
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

// Twice, if there are functions: with no knowledge at their entries, those called before their callers, for what they
// return; then the other way round, for what they are called with.
void add_value_facts(const Program& program, std::span<Facts> facts, std::span<ArgumentFacts> arguments) {
  std::vector<Function> functions(program.subprograms().size());
  const Order order(program, facts, functions);
  Flow flow(program, facts, arguments, functions);
  for (const u32 number : order.numbers()) flow.run(number, {});
  if (order.numbers().size() == 1) return;
  for (Function& function : functions) function.arguments = {};
  for (const u32 number : std::views::reverse(order.numbers())) {
    flow.run(number, functions[number].called_back ? Numbers{} : functions[number].arguments.numbers);
  }
}

}  // namespace forager::verifier
