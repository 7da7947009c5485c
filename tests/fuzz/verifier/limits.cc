// SPDX-License-Identifier: Apache-2.0
//
// The many ways to keep a number under a limit: what a variable offset stands and falls with.
#include <bit>

#include "tests/fuzz/verifier/generator.h"

namespace forager::fuzz {

// Makes the number at most `max` (or nearly so). False if nothing was written.
bool Generator::limit(unsigned reg, std::uint64_t max) {
  if ((kept_ >> reg & 1) != 0) return false;
  const std::uint64_t bound = max + (mistake() ? random_.below(3) - 1 : 0);
  bool done = true;
  switch (random_.below(state_.records > 0 ? 4 : 12)) {  // a guard does not guard while a record is open
    case 0:
    case 1:
    case 2:
    case 3:
      done = limit_by_arithmetic(reg, bound);
      break;
    case 4:
    case 5:
    case 6:
    case 7:
      limit_by_branch(reg, bound);
      break;
    case 8:
    case 9:
      done = limit_by_register(reg, bound);
      break;
    case 10:
      done = limit_by_copy(reg, bound);
      break;
    default:
      limit_by_stack(reg, bound);
  }
  if (done) state_.set_scalar(reg, max);
  return done;
}

bool Generator::limit_by_arithmetic(unsigned reg, std::uint64_t bound) {
  const std::uint64_t mask = bound + 1 == 0 ? bound >> 1 : (std::uint64_t{1} << (std::bit_width(bound + 1) - 1)) - 1;
  const unsigned width = random_.percent(60) ? BPF_ALU64 : BPF_ALU;
  if (random_.percent(60)) {
    code_.emit(alu(width, BPF_AND, reg, static_cast<std::int64_t>(mistake() ? bound : mask)));
  } else if (random_.percent(20)) {
    code_.emit(alu(width, BPF_MOD, reg, static_cast<std::int64_t>(bound + 1 == 0 ? 1 : bound + 1)));
  } else if (mask != 0) {
    const int bits = width == BPF_ALU64 ? 64 : 32;
    code_.emit(alu(width, BPF_RSH, reg, bits - std::bit_width(mask) + (mistake() ? -1 : 0)));
  } else {
    return false;
  }
  return true;
}

void Generator::limit_by_branch(unsigned reg, std::uint64_t bound) {
  const unsigned width = random_.percent(60) ? BPF_JMP : BPF_JMP32;
  // The upper half is not compared: it must be known to be 0.
  if (width == BPF_JMP32 && !mistake()) code_.emit(alu_reg(BPF_ALU, BPF_MOV, reg, reg));
  const auto most = static_cast<std::int64_t>(bound);
  switch (random_.below(4)) {
    case 0:
      guard(branch(width, BPF_JGE, reg, most + 1));
      break;
    case 1:
      guard(branch(width, BPF_JSGT, reg, most));
      if (!mistake()) guard(branch(width, BPF_JSLT, reg, 0));
      break;
    case 2:
      guard(branch(BPF_JMP, BPF_JSET, reg, ~static_cast<std::int64_t>((std::bit_ceil(bound + 1) >> 1) - 1)));
      break;
    default:
      guard(branch(width, BPF_JGT, reg, most));
  }
}

// Against a number in a register, or one that is itself limited.
bool Generator::limit_by_register(unsigned reg, std::uint64_t bound) {
  const unsigned other = fresh();
  if (other == reg) return false;
  load_number(other, bound);
  const unsigned width = random_.percent(70) ? BPF_JMP : BPF_JMP32;
  if (width == BPF_JMP32 && !mistake()) code_.emit(alu_reg(BPF_ALU, BPF_MOV, reg, reg));
  guard(random_.coin() ? branch_reg(width, BPF_JGT, reg, other) : branch_reg(width, BPF_JLT, other, reg));
  return true;
}

// A copy is compared, or one a constant further, in 64 or 32 bits; used is the number itself, or another such copy.
bool Generator::limit_by_copy(unsigned reg, std::uint64_t bound) {
  const unsigned other = fresh();
  if (other == reg) return false;
  if (random_.percent(40)) code_.emit(alu_reg(BPF_ALU, BPF_MOV, reg, reg));
  code_.emit(copy(other, reg));
  const std::int64_t moved = random_.percent(60) ? random_.between(-4, 4) : 0;
  const unsigned width = random_.percent(60) ? BPF_ALU64 : BPF_ALU;
  if (moved != 0) code_.emit(alu(width, random_.percent(80) ? BPF_ADD : BPF_SUB, other, moved));
  state_.set_scalar(other, bound);
  const unsigned third = fresh();
  const bool by_third = third != reg && third != other && random_.percent(40);
  const std::int64_t further = random_.between(-4, 4);
  if (by_third) {
    code_.emit(copy(third, reg));
    code_.emit(alu(random_.percent(60) ? BPF_ALU64 : BPF_ALU, BPF_ADD, third, further));
    state_.set_scalar(third);
  }
  guard(branch(random_.percent(75) ? BPF_JMP : BPF_JMP32, BPF_JGT, other, static_cast<std::int64_t>(bound)));
  if (moved > 0 && !mistake()) guard(branch(BPF_JMP, BPF_JLT, other, moved));
  if (by_third && further < 0 && !mistake()) guard(branch(BPF_JMP, BPF_JSLT, third, 0));
  if (by_third) code_.emit(copy(reg, third));
  return true;
}

// The number is compared while a copy is on the stack.
void Generator::limit_by_stack(unsigned reg, std::uint64_t bound) {
  const int at = -8 * static_cast<int>(1 + random_.below(12));
  code_.emit(store(BPF_DW, 10, at, reg));
  guard(branch(BPF_JMP, BPF_JGT, reg, static_cast<std::int64_t>(bound)));
  state_.write_stack(at, 8);
  code_.emit(load(random_.percent(80) ? BPF_DW : BPF_W, reg, 10, at));
}

}  // namespace forager::fuzz
