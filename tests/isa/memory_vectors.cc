// SPDX-License-Identifier: Apache-2.0
#include "memory_vectors.h"

#include "model.h"
#include "operands.h"

namespace forager::isa::vectors {
namespace {

using model::kOperands;

constexpr int kSlot = -16, kGuardBelow = -24, kGuardAbove = -8;  // on the stack: the bytes in play, and around them
constexpr std::uint64_t kGuard = 0xa5a5a5a5a5a5a5a5;

// Low `bytes` of new in old.
std::uint64_t overwrite(std::uint64_t old, std::uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) {
    const std::uint64_t mask = std::uint64_t{0xff} << (8 * i);
    old = (old & ~mask) | (value & mask);
  }
  return old;
}

// Stack: guard, value, guard. Uses r7.
void set_slot(ProgramWriter& out, std::uint64_t value) {
  for (const auto& [offset, what] : {std::pair{kGuardBelow, kGuard}, {kSlot, value}, {kGuardAbove, kGuard}}) {
    out.load_operand(7, what);
    out.emit(Op::stxdw, 10, 7, offset);
  }
}

void expect_slot(ProgramWriter& out, std::uint64_t value) {
  for (const auto& [offset, what] : {std::pair{kGuardBelow, kGuard}, {kSlot, value}, {kGuardAbove, kGuard}}) {
    out.emit(Op::ldxdw, 7, 10, offset);
    out.expect(7, what);
  }
}

std::uint64_t loaded(const Row& row, std::uint64_t value) {
  const std::uint64_t low = overwrite(0, value, row.width / 8);
  return row.sign_extends ? model::sign_extend(low, row.width) : low;
}

void load(const Row& row, ProgramWriter& out) {
  for (const std::uint64_t value : kOperands) {
    out.begin_check();
    set_slot(out, value);
    out.emit(row.op, 1, 10, kSlot);
    out.expect(1, loaded(row, value));
    // From the input memory, through a register that is overwritten, at every aligned place of the word.
    for (unsigned at = 0; at < 8; at += row.width / 8) {
      out.begin_check();
      out.load_operand(2, value);
      out.emit(Op::stxdw, 10, 2, kSlot);
      out.emit(Op::mov64_reg, 3, 10);
      out.emit(Op::add64_imm, 3, 0, 0, kSlot);
      out.emit(row.op, 3, 3, static_cast<int>(at));
      out.expect(3, loaded(row, value >> (8 * at)));
    }
  }
}

void store_imm(const Row& row, ProgramWriter& out) {
  for (const std::int32_t imm : model::immediates()) {
    out.begin_check();
    set_slot(out, 0x1122334455667788);
    out.emit(row.op, 10, 0, kSlot, imm);
    expect_slot(out, overwrite(0x1122334455667788, static_cast<std::uint64_t>(std::int64_t{imm}), row.width / 8));
  }
}

void store_reg(const Row& row, ProgramWriter& out) {
  for (const std::uint64_t value : kOperands) {
    for (unsigned at = 0; at < 8; at += row.width / 8) {
      out.begin_check();
      set_slot(out, 0x1122334455667788);
      out.load_operand(2, value);
      out.emit(row.op, 10, 2, kSlot + static_cast<int>(at));
      const std::uint64_t mask = row.width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << row.width) - 1;
      expect_slot(out, (0x1122334455667788 & ~(mask << (8 * at))) | (value & mask) << (8 * at));
      out.expect(2, value);
    }
  }
}

void atomic_check(const Row& row, std::uint64_t memory, std::uint64_t src, std::uint64_t r0, ProgramWriter& out) {
  std::string_view name = row.name;
  name.remove_suffix(2);  // "atomic_add64"
  out.begin_check();
  set_slot(out, memory);
  out.load_operand(0, r0);
  out.load_operand(2, src);
  out.emit(row.op, 10, 2, kSlot);
  const std::uint64_t result = model::atomic(name, row.width, memory, src, r0);
  const std::uint64_t old = overwrite(0, memory, row.width / 8);
  const bool compares = name == "atomic_cmpxchg";
  out.expect(0, compares ? old : r0);
  out.expect(2, row.fetches && !compares ? old : src);
  expect_slot(out, overwrite(memory, result, row.width / 8));
}

void atomic(const Row& row, ProgramWriter& out) {
  constexpr std::uint64_t kSources[] = {0, 1, 0x80000000, 0xffffffff, 0x1234567887654321, ~std::uint64_t{0}};
  for (const std::uint64_t memory : kOperands) {
    for (const std::uint64_t src : kSources) atomic_check(row, memory, src, memory, out);
    atomic_check(row, memory, 0x55aa55aa, ~memory, out);                      // not equal
    atomic_check(row, memory, 0x55aa55aa, memory ^ 0xffffffff00000000, out);  // equal in the low half only
  }
}

void wide_immediate(ProgramWriter& out) {
  for (const std::uint64_t value : kOperands) {
    out.begin_check();
    out.emit(Op::lddw, 1, 0, 0, static_cast<std::int32_t>(value));
    out.emit(Slot{.imm = static_cast<std::int32_t>(value >> 32)});
    out.expect(1, value);
  }
}

}  // namespace

bool fill_memory(const Row& row, ProgramWriter& out) {
  switch (row.form) {
    case Form::load:
      load(row, out);
      return true;
    case Form::store_imm:
      store_imm(row, out);
      return true;
    case Form::store_reg:
      store_reg(row, out);
      return true;
    case Form::atomic:
      atomic(row, out);
      return true;
    case Form::wide:
      return row.op == Op::lddw ? (wide_immediate(out), true) : false;
    default:
      return false;
  }
}

}  // namespace forager::isa::vectors
