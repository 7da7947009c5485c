// SPDX-License-Identifier: Apache-2.0
//
// Numbers: choosing registers, and arithmetic of every kind.
#include "tests/fuzz/verifier/generator.h"

namespace forager::fuzz {
namespace {

constexpr unsigned kOperations[] = {BPF_ADD, BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV,  BPF_OR,  BPF_AND, BPF_AND,
                                    BPF_LSH, BPF_RSH, BPF_MOD, BPF_XOR, BPF_ARSH, BPF_NEG, BPF_END};

bool fits(std::uint64_t value) { return static_cast<std::uint64_t>(static_cast<std::int32_t>(value)) == value; }

}  // namespace

// A register whose content passes the test, or -1.
int Generator::find(Test test) {
  const auto from = static_cast<unsigned>(random_.below(isa::kRegisters));
  for (unsigned i = 0; i < isa::kRegisters; ++i) {
    const unsigned reg = (from + i) % isa::kRegisters;
    if (test(state_.regs[reg])) return static_cast<int>(reg);
  }
  return -1;
}

// A register to overwrite: rather one that holds nothing of use.
unsigned Generator::fresh() {
  constexpr unsigned kWritable = 10;
  const auto from = static_cast<unsigned>(random_.below(kWritable));
  unsigned best = 0;
  unsigned best_cost = ~0U;
  for (unsigned i = 0; i < kWritable; ++i) {
    const unsigned reg = (from + i) % kWritable;
    if ((kept_ >> reg & 1) != 0) continue;
    const Kind kind = state_.regs[reg].kind;
    const unsigned cost = kind == Kind::none ? 0 : kind == Kind::scalar ? 1 : kind == Kind::context ? 9 : 4;
    const bool better = cost < best_cost || (cost == best_cost && random_.coin());
    if (better) best = reg, best_cost = cost;
    if (cost <= 1 && random_.percent(40)) return reg;
  }
  return best;
}

void Generator::load_number(unsigned reg, std::uint64_t value) {
  if (fits(value) && random_.percent(70)) {
    code_.emit(mov(reg, static_cast<std::int64_t>(value)));
  } else if (value <= 0xffffffff && random_.coin()) {
    code_.emit(alu(BPF_ALU, BPF_MOV, reg, static_cast<std::int32_t>(value)));
  } else {
    code_.emit_wide(reg, 0, value);
  }
  state_.set_scalar(reg, value);
}

// A register with a number that is not known.
unsigned Generator::scalar() {
  if (random_.percent(75)) {
    const int known = find([](const Reg& reg) { return reg.kind == Kind::scalar && reg.max > 64; });
    if (known >= 0) return static_cast<unsigned>(known);
  }
  return any_scalar();
}

// A number from outside, where there is one to load it from.
unsigned Generator::any_scalar() {
  if (random_.percent(70) && load_scalar()) {
    const int known = find([](const Reg& reg) { return reg.kind == Kind::scalar && reg.max > 64; });
    if (known >= 0) return static_cast<unsigned>(known);
  }
  const unsigned reg = fresh();
  if (state_.regs[1].kind == Kind::context || state_.regs[6].kind == Kind::context) {
    const unsigned from = state_.regs[6].kind == Kind::context ? 6 : 1;
    code_.emit(load(BPF_W, reg, from, random_.coin() ? 12 : 16));
    state_.set_scalar(reg, 0xffffffff);
  } else {
    load_number(reg, interesting(random_));
  }
  return reg;
}

void Generator::set_arguments(unsigned from, unsigned to) {
  for (unsigned reg = from; reg <= to; ++reg) load_number(reg, random_.percent(70) ? 0 : interesting(random_));
}

bool Generator::arithmetic() {
  for (unsigned count = 1 + static_cast<unsigned>(random_.below(4)); count > 0; --count) {
    const unsigned reg = scalar();
    if ((kept_ >> reg & 1) != 0) return false;
    const unsigned width = random_.coin() ? BPF_ALU64 : BPF_ALU;
    const unsigned op = random_.pick(kOperations);
    const std::uint64_t bits = width == BPF_ALU64 ? 64 : 32;
    if (op == BPF_NEG) {
      code_.emit(slot(width | BPF_NEG, reg, 0, 0, 0));
    } else if (op == BPF_END) {
      constexpr int kWidths[] = {16, 32, 64};
      const bool swap = random_.coin();
      const unsigned order = !swap && random_.coin() ? BPF_TO_BE : BPF_TO_LE;
      code_.emit(slot((swap ? BPF_ALU64 : BPF_ALU) | BPF_END | order, reg, 0, 0, random_.pick(kWidths)));
    } else if (random_.percent(60)) {
      const bool shift = op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH;
      const bool divide = op == BPF_DIV || op == BPF_MOD;
      auto imm = static_cast<std::int32_t>(interesting(random_));
      if (shift) imm = static_cast<std::int32_t>(random_.below(bits));
      if (divide && imm == 0) imm = 3;
      code_.emit(alu(width, op, reg, imm, divide && random_.percent(30) ? 1 : 0));
    } else {
      const int other = find([](const Reg& one) { return one.kind == Kind::scalar; });
      const bool is_signed = (op == BPF_DIV || op == BPF_MOD) && random_.percent(30);
      code_.emit(alu_reg(width, op, reg, static_cast<unsigned>(other), is_signed ? 1 : 0));
    }
    state_.set_scalar(reg, width == BPF_ALU ? 0xffffffff : ~std::uint64_t{0});
  }
  return true;
}

// Copies, of which some widen a narrow number's sign.
bool Generator::move() {
  const int from = find([](const Reg& reg) { return reg.kind != Kind::none; });
  const unsigned to = fresh();
  if (from < 0 || static_cast<unsigned>(from) == to) return false;
  const auto source = static_cast<unsigned>(from);
  const Reg& reg = state_.regs[source];
  const bool whole = random_.percent(reg.kind == Kind::scalar ? 50 : 97);  // half a pointer is a number
  constexpr int kSigned[] = {0, 8, 16, 32};
  const int sign = whole ? 0 : random_.pick(kSigned);
  const unsigned width = whole || sign == 32 || random_.coin() ? BPF_ALU64 : BPF_ALU;
  code_.emit(alu_reg(width, BPF_MOV, to, source, sign));
  if (whole) {
    state_.set(to, reg);
  } else {
    state_.set_scalar(to, width == BPF_ALU ? 0xffffffff : ~std::uint64_t{0});
  }
  if (reg.kind == Kind::scalar && random_.percent(25)) {
    code_.emit(alu(random_.percent(70) ? BPF_ALU64 : BPF_ALU, BPF_ADD, to, random_.between(-8, 8)));
  }
  return true;
}

bool Generator::pointer_difference() {
  const int end = find([](const Reg& reg) { return reg.kind == Kind::packet_end; });
  const int data = find([](const Reg& reg) { return reg.kind == Kind::packet; });
  const unsigned to = fresh();
  if (end < 0 || data < 0 || to == static_cast<unsigned>(data) || to == static_cast<unsigned>(end)) return false;
  code_.emit(copy(to, static_cast<unsigned>(end)));
  code_.emit(alu_reg(BPF_ALU64, BPF_SUB, to, static_cast<unsigned>(data)));
  state_.set_scalar(to);
  return true;
}

}  // namespace forager::fuzz
