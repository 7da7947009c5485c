// SPDX-License-Identifier: Apache-2.0
//
// A lookup in an array, as select makes it, computes an address and takes it away again where the index is too large.
// Here that becomes a branch: where it leads the result is 0, behind it a value of the map, and whoever asks which it
// is (every program does) is answered by what is known (variants.h).
#include <algorithm>
#include <utility>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

// Places of the operations that belong to the check of one index.
struct Check {
  std::size_t compare = 0, spread = 0, take_away = 0;
};

// The comparison is the last subtraction before the sign of its result is spread.
std::optional<Check> find_check(const std::vector<Operation>& operations) {
  for (std::size_t at = 0; at + 1 < operations.size(); ++at) {
    const Operation &spread = operations[at], &last = operations[at + 1];
    const bool masks = spread.slot.op == CoreOp::AluArsh && spread.slot.use_imm && spread.slot.imm == 63 &&
                       last.slot.op == CoreOp::AluAnd && !last.slot.use_imm && last.slot.b == spread.slot.d &&
                       spread.instruction == last.instruction;
    for (std::size_t before = at; masks && before-- > 0;) {
      const Operation& one = operations[before];
      if (one.instruction != last.instruction) break;
      if (one.slot.op == CoreOp::AluSub && one.slot.use_imm && one.slot.d == spread.slot.a)
        return Check{before, at, at + 1};
    }
  }
  return std::nullopt;
}

void branch_instead(Flow& flow, std::uint32_t number, const Check& check) {
  const auto without = static_cast<std::uint32_t>(flow.blocks.size()), behind = without + 1;
  FlowBlock& block = flow.blocks[number];
  const Operation last = block.operations[check.take_away];
  const auto at = [&](std::size_t place) { return block.operations.begin() + static_cast<std::ptrdiff_t>(place); };

  FlowBlock rest = block;
  rest.operations = {at(check.take_away + 1), block.operations.end()};
  rest.begin = last.instruction + 1;
  FlowBlock nothing = {.begin = last.instruction, .end = rest.begin, .operations = {last}, .next = behind};
  nothing.native = true;
  nothing.operations.front().slot = {.op = CoreOp::AluMov, .d = last.slot.d, .use_imm = true};

  Operation& compare = block.operations[check.compare];
  compare.slot = {.op = CoreOp::BranchGe, .a = compare.slot.a, .use_imm = true, .imm = compare.slot.imm};
  compare.target = without;
  compare.likely = false;
  block.operations[check.spread - 1].result = last.result;  // where the sum is made
  block.operations.erase(at(check.spread), block.operations.end());
  block.end = rest.begin;
  block.next = behind;
  flow.blocks.push_back(std::move(nothing));
  flow.blocks.push_back(std::move(rest));
}

}  // namespace

void branch_on_indexes(Flow& flow) {
  for (std::uint32_t number = 0; number < flow.blocks.size(); ++number) {
    if (!flow.blocks[number].native || flow.blocks[number].function) continue;
    if (const auto check = find_check(flow.blocks[number].operations)) branch_instead(flow, number, *check);
  }
}

}  // namespace forager::jit::rtl
