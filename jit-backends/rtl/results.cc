// SPDX-License-Identifier: Apache-2.0
//
// Which operation gives an instruction's destination its value: what lockstep compares with the interpreter's.
#include <ranges>

#include "jit-backends/rtl/lower.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

bool makes_result_in(const Code& code, std::uint32_t instruction, std::uint8_t reg) {
  const bool calls = isa::row(code.program->program().instructions()[instruction].op).form == isa::Form::call;
  return calls ? reg == 0 : (writes_of(code.steps[instruction]) >> reg & 1) != 0;
}

}  // namespace

void mark_results(const Code& code, std::vector<OperationBlock>& blocks) {
  for (OperationBlock& block : blocks) {
    std::uint32_t done = program::kNone;
    for (Operation& operation : std::views::reverse(block.operations)) {
      const std::uint32_t instruction = operation.instruction;
      if (instruction == done || instruction >= code.steps.size()) continue;
      if (!writes_result(operation.slot) || !makes_result_in(code, instruction, operation.slot.d)) continue;
      operation.result = true;
      done = instruction;
    }
  }
}

}  // namespace forager::jit::rtl
