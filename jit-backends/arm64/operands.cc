// SPDX-License-Identifier: Apache-2.0
//
// Registers, constants, cells and symbols as operands.
#include <algorithm>

#include "jit-backends/arm64/emitter.h"

namespace forager::jit::arm64 {

using namespace asmjit::a64;

namespace {

// Of additions and comparisons: 12 bits, or 12 bits higher by 12.
bool is_short(std::int64_t value) {
  return value >= 0 && (value <= 0xfff || (value <= 0xfff000 && (value & 0xfff) == 0));
}

}  // namespace

// With blinding, no constant of the program's own stands in the code: attackers who choose constants would choose code.
Emitter::Source Emitter::source(const Step& step) {
  if (!step.has_imm) return {.reg = reg(step.src)};
  const auto value = step.width == 32 ? static_cast<std::int32_t>(step.imm) : static_cast<std::int64_t>(step.imm);
  if (!settings_.blind_constants) return {.imm = true, .reg = {}, .value = value};
  load_constant(kScratch, static_cast<std::uint64_t>(value));
  return {.reg = kScratch};
}

// Zero is a register.
Gp Emitter::in_register(const Source& source, unsigned width) {
  if (!source.imm) return sized(source.reg, width);
  if (source.value == 0) return width == 64 ? Gp(xzr) : Gp(wzr);
  const auto value = static_cast<std::uint64_t>(source.value);
  load_constant(kScratch, width == 64 ? value : static_cast<std::uint32_t>(value));
  return sized(kScratch, width);
}

void Emitter::load_constant(const Gp& to, std::uint64_t value) {
  if (settings_.blind_constants) {
    const std::uint64_t key = settings_.blinding ^ (std::uint64_t{at_} * 0x9e3779b97f4a7c15ULL);
    asm_.mov(kScratch2, value ^ key);
    asm_.mov(to, key);
    asm_.eor(to, to, kScratch2);
  } else if (value <= UINT32_MAX) {
    asm_.mov(to.w(), value);
  } else {
    asm_.mov(to, value);
  }
}

// Of the width of the registers; uses kScratch2 for numbers that do not fit two additions.
void Emitter::add_constant(const Gp& to, const Gp& from, std::int64_t value) {
  const bool below = value < 0;
  const std::int64_t amount = below ? -value : value;
  const auto step = [&](const Gp& base, std::int64_t by) { below ? asm_.sub(to, base, by) : asm_.add(to, base, by); };
  if (is_short(amount)) return step(from, amount);
  if (amount > 0 && amount <= 0xffffff) {
    step(from, amount & 0xfff000);
    return step(to, amount & 0xfff);
  }
  const Gp by = sized(kScratch2, to.isGpX() ? 64 : 32);
  asm_.mov(by, value);
  asm_.add(to, from, by);
}

void Emitter::compare_constant(const Gp& reg, std::int64_t value) {
  if (is_short(value)) return void(asm_.cmp(reg, value));
  if (value < 0 && is_short(-value)) return void(asm_.cmn(reg, -value));
  const Gp with = sized(kScratch2, reg.isGpX() ? 64 : 32);
  asm_.mov(with, value);
  asm_.cmp(reg, with);
}

// ---- symbols -------------------------------------------------------------------------------------------------------

void Emitter::load_symbol(const Gp& to, const Symbol& symbol, std::uint64_t addend) {
  if (settings_.far) {
    const Label address = asm_.newLabel(), over = asm_.newLabel();
    asm_.ldr(to, ptr(address));
    asm_.b(over);
    embed_address(address, symbol, addend);
    return void(asm_.bind(over));
  }
  auto literal = std::ranges::find_if(
      literals_, [&](const Literal& each) { return each.symbol == symbol && each.addend == addend; });
  if (literal == literals_.end()) literal = literals_.insert(literal, {symbol, addend, asm_.newLabel()});
  asm_.ldr(to, ptr(literal->label));
}

void Emitter::map_object(const Step& step) {
  load_symbol(reg(step.dst), {.kind = Symbol::Kind::map, .index = static_cast<std::uint32_t>(step.imm)});
}

void Emitter::map_value(const Step& step) {
  load_symbol(reg(step.dst), {.kind = Symbol::Kind::map_memory, .index = static_cast<std::uint32_t>(step.imm)},
              step.target);
}

void Emitter::function(const Step& step) {
  const Gp dst = reg(step.dst);
  const Label function = function_at(step.target);
  if (!settings_.far) return void(asm_.adr(dst, function));
  const Label here = asm_.newLabel(), distance = asm_.newLabel(), over = asm_.newLabel();
  asm_.bind(here);
  asm_.adr(dst, here);
  asm_.ldrsw(kScratch, ptr(distance));
  asm_.add(dst, dst, kScratch);
  asm_.b(over);
  asm_.bind(distance);
  asm_.embedLabelDelta(function, here, 4);
  asm_.bind(over);
}

// As it stands the call goes to a veneer behind the code; link() makes it go to the function if that is near enough.
void Emitter::call(const Symbol& symbol) {
  relocate(Relocation::Kind::call, offset(), symbol);
  asm_.bl(veneer(symbol));
}

}  // namespace forager::jit::arm64
