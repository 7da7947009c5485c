// SPDX-License-Identifier: Apache-2.0
//
// Registers, constants, cells and symbols as operands.
#include "jit-backends/x86_64/emitter.h"

namespace forager::jit::x86_64 {

using namespace asmjit::x86;

// With blinding, no constant of the program's own stands in the code: attackers who choose constants would choose code.
Emitter::Source Emitter::source(const Step& step) {
  if (!step.has_imm) return {.reg = reg(step.src)};
  const auto value = step.width == 32 ? static_cast<std::int32_t>(step.imm) : static_cast<std::int64_t>(step.imm);
  if (!settings_.blind_constants) return {.imm = true, .value = value};
  load_constant(kScratch, static_cast<std::uint64_t>(value));
  return {.reg = kScratch};
}

void Emitter::load_constant(const Gp& to, std::uint64_t value) {
  if (settings_.blind_constants) {
    const std::uint64_t key = settings_.blinding ^ (std::uint64_t{at_} * 0x9e3779b97f4a7c15ULL);
    asm_.mov(kScratch2, value ^ key);
    asm_.mov(to, key);
    asm_.xor_(to, kScratch2);
  } else if (value == 0) {
    asm_.xor_(to.r32(), to.r32());
  } else if (value <= UINT32_MAX) {
    asm_.mov(to.r32(), value);
  } else {
    asm_.mov(to, value);
  }
}

Mem Emitter::cell(std::size_t offset, unsigned bytes) { return Mem(kCells, static_cast<std::int32_t>(offset), bytes); }

void Emitter::load_symbol(const Gp& to, const Symbol& symbol, std::uint64_t addend) {
  constexpr std::uint64_t kPlaceholder = 0x7fff'ffff'ffff'ffffULL;  // so that all eight bytes are encoded
  asm_.mov(to, kPlaceholder);
  relocate(Relocation::Kind::absolute, offset() - sizeof kPlaceholder, symbol, addend);
}

void Emitter::map_object(const Step& step) {
  load_symbol(reg(step.dst), {.kind = Symbol::Kind::map, .index = static_cast<std::uint32_t>(step.imm)});
}

void Emitter::map_value(const Step& step) {
  load_symbol(reg(step.dst), {.kind = Symbol::Kind::map_memory, .index = static_cast<std::uint32_t>(step.imm)},
              step.target);
}

void Emitter::function(const Step& step) { asm_.lea(reg(step.dst), ptr(function_at(step.target))); }

// As it stands the call goes to a veneer behind the code; link() makes it go to the function if that is near enough.
void Emitter::call(const Symbol& symbol) {
  asm_.call(veneer(symbol));
  relocate(Relocation::Kind::call, offset(), symbol);
}

}  // namespace forager::jit::x86_64
