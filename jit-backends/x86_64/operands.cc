// SPDX-License-Identifier: Apache-2.0
//
// Registers, constants, cells and symbols as operands.
#include <algorithm>

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
  made_.relocations.push_back({.kind = Relocation::Kind::absolute,
                               .offset = static_cast<std::uint32_t>(asm_.offset() - sizeof kPlaceholder),
                               .symbol = symbol,
                               .addend = addend});
}

// As it stands the call goes to a veneer behind the code; link() makes it go to the function if that is near enough.
void Emitter::call(const Symbol& symbol) {
  auto veneer = std::ranges::find(veneers_, symbol, &Veneer::symbol);
  if (veneer == veneers_.end()) {
    veneers_.push_back({.symbol = symbol, .label = asm_.newLabel()});
    veneer = veneers_.end() - 1;
  }
  asm_.call(veneer->label);
  made_.relocations.push_back(
      {.kind = Relocation::Kind::call, .offset = static_cast<std::uint32_t>(asm_.offset()), .symbol = symbol});
}

void Emitter::emit_veneers() {
  for (const Veneer& veneer : veneers_) {
    const Label address = asm_.newLabel();
    asm_.align(asmjit::AlignMode::kData, 8);
    asm_.bind(address);
    made_.relocations.push_back({.kind = Relocation::Kind::absolute,
                                 .offset = static_cast<std::uint32_t>(asm_.offset()),
                                 .symbol = veneer.symbol});
    asm_.embedUInt64(0);
    asm_.bind(veneer.label);
    asm_.jmp(ptr(address, 0, 8));
  }
}

}  // namespace forager::jit::x86_64
