// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/mutate.h"

#include "tests/fuzz/verifier/code.h"

namespace forager::fuzz {
namespace {

constexpr unsigned kComparisons[] = {BPF_JEQ,  BPF_JNE,  BPF_JGT,  BPF_JGE,  BPF_JLT, BPF_JLE,
                                     BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE, BPF_JSET};
constexpr unsigned kOperations[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR,  BPF_AND,
                                    BPF_LSH, BPF_RSH, BPF_MOD, BPF_XOR, BPF_MOV, BPF_ARSH};

bool is_arithmetic(const Slot& one) { return BPF_CLASS(one.opcode) == BPF_ALU || BPF_CLASS(one.opcode) == BPF_ALU64; }
bool is_conditional(const Slot& one) { return is_jump(one) && BPF_OP(one.opcode) != BPF_JA; }

// Fields that the instruction has: the others must stay 0.
isa::Fields fields_of(const Slot& one) {
  const isa::Row* row = isa::find_row(one);
  return row == nullptr ? isa::Fields{} : isa::fields_of(row->form);
}

void change_number(Random& random, Slot& one) {
  if (!fields_of(one).imm) return;
  const std::uint64_t number =
      random.coin() ? static_cast<std::uint64_t>(one.imm) + random.below(3) - 1 : interesting(random);
  one.imm = static_cast<std::int32_t>(number);
}

void change_offset(Random& random, Slot& one) {
  constexpr int kSteps[] = {-8, -4, -1, 1, 4, 8};
  if (fields_of(one).offset) one.offset = static_cast<std::int16_t>(one.offset + random.pick(kSteps));
}

void change_width(Slot& one) {
  Slot other = one;
  if (is_arithmetic(one)) other.opcode ^= BPF_ALU ^ BPF_ALU64;
  if (is_conditional(one)) other.opcode ^= BPF_JMP ^ BPF_JMP32;
  if (isa::find_row(other) != nullptr) one = other;
}

void change_operation(Random& random, Slot& one) {
  if (is_conditional(one)) one.opcode = static_cast<std::uint8_t>((one.opcode & 0x0f) | random.pick(kComparisons));
  if (is_arithmetic(one) && BPF_OP(one.opcode) < BPF_NEG && one.offset == 0) {
    one.opcode = static_cast<std::uint8_t>((one.opcode & 0x0f) | random.pick(kOperations));
  }
}

void change_register(Random& random, Slot& one) {
  const isa::Fields fields = fields_of(one);
  if (fields.src && random.coin()) {
    one.src = random.below(11) & 0xf;
  } else if (fields.dst && one.dst != 0) {
    one.dst = random.below(10) & 0xf;
  }
}

}  // namespace

void mutate(Random& random, std::vector<isa::Slot>& program) {
  for (auto count = 1 + random.below(3); count > 0; --count) {
    const auto at = static_cast<std::size_t>(random.below(program.size()));
    const bool in_wide = is_wide(program[at]) || (at > 0 && is_wide(program[at - 1]));
    if (in_wide) continue;
    Slot& one = program[at];
    switch (random.below(9)) {
      case 0:
      case 1:
      case 8:
        change_number(random, one);
        break;
      case 2:
        change_offset(random, one);
        break;
      case 3:
        change_width(one);
        break;
      case 4:
      case 5:
        change_operation(random, one);
        break;
      case 6:
        change_register(random, one);
        break;
      default:
        if (BPF_CLASS(one.opcode) != BPF_JMP) one = nothing();
    }
  }
}

}  // namespace forager::fuzz
