// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/opencl/callbacks.h"

#include "verifier/structure.h"

namespace forager::jit::opencl {
namespace {

std::optional<std::uint32_t> only_function(const program::Program& program) {
  std::optional<std::uint32_t> only;
  for (const program::Instruction& insn : program.instructions()) {
    if (insn.op != isa::Op::lddw_func) continue;
    const std::uint32_t one = program.subprogram_of(insn.target);
    if (only && *only != one) return std::nullopt;
    only = one;
  }
  return only;
}

}  // namespace

std::optional<std::uint32_t> callback_of(const program::Program& program, std::uint32_t at) {
  unsigned number = 2;
  for (const std::uint32_t begin = program.blocks()[program.block_of(at)].begin; at > begin;) {
    const program::Instruction& insn = program.instructions()[--at];
    if ((verifier::register_use(program, insn).writes & verifier::register_bit(number)) == 0) continue;
    if (insn.op == isa::Op::lddw_func) return program.subprogram_of(insn.target);
    if (insn.op != isa::Op::mov64_reg) break;
    number = insn.src;
  }
  return only_function(program);
}

}  // namespace forager::jit::opencl
