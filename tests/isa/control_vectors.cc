// SPDX-License-Identifier: Apache-2.0
#include "control_vectors.h"

#include <utility>
#include <vector>

namespace forager::isa::vectors {
namespace {

// Forward over a failure; then forward, backward and forward again. A condition that never holds leads to the failure
// too, since Linux refuses code that nothing leads to.
void jump(const Row& row, ProgramWriter& out) {
  const auto go = [&](int distance) {
    row.form == Form::jump_long ? out.emit(row.op, 0, 0, 0, distance) : out.emit(row.op, 0, 0, distance);
  };
  out.begin_check();
  out.load_operand(1, 0);
  out.emit(Op::jne64_imm, 1, 0, 1, 0);
  go(2);
  out.fail();
  out.begin_check();
  out.load_operand(1, 0);
  out.emit(Op::jne64_imm, 1, 0, 3, 0);
  go(1);   // to the last of the three
  go(3);   // behind the failure
  go(-2);  // to the middle one
  out.fail();
}

// r6-r9 belong to the caller, whatever the callee does with them; r0 is the result, r1-r5 the arguments.
void registers_across_a_call(std::uint64_t value, ProgramWriter& out) {
  out.begin_check();
  for (unsigned reg = 1; reg <= 5; ++reg) out.load_operand(reg, value + reg);
  out.load_operand(7, ~value);
  std::vector<Slot> callee = {instruction(Op::mov64_reg, 0, 1)};
  for (unsigned reg = 2; reg <= 5; ++reg) callee.push_back(instruction(Op::add64_reg, 0, reg));
  for (unsigned reg = 6; reg <= 9; ++reg) callee.push_back(instruction(Op::mov64_imm, reg, 0, 0, 77));
  callee.push_back(instruction(Op::exit, 0));
  out.call(callee);
  out.expect(0, 5 * value + 15);
  out.expect(7, ~value);
}

// Each frame has a stack of its own, and a callee may write the caller's through a pointer. (Linux allows 512 bytes in
// a chain of calls, so that each of two takes half.)
void stacks_are_apart(std::uint64_t value, ProgramWriter& out) {
  constexpr int kFar = -256;
  out.begin_check();
  out.load_operand(7, value);
  out.emit(Op::stxdw, 10, 7, -8);
  out.emit(Op::stxdw, 10, 7, kFar);
  out.emit(Op::mov64_reg, 1, 10);
  out.call({instruction(Op::stdw, 10, 0, -8, 1), instruction(Op::stdw, 10, 0, kFar, 2),
            instruction(Op::ldxdw, 2, 10, -8), instruction(Op::stxdw, 1, 2, -16), instruction(Op::ldxdw, 0, 10, kFar),
            instruction(Op::exit, 0)});
  out.expect(0, 2);
  for (const auto& [offset, expected] : {std::pair{-8, value}, {kFar, value}, {-16, std::uint64_t{1}}}) {
    out.emit(Op::ldxdw, 7, 10, offset);
    out.expect(7, expected);
  }
}

// Eight frames deep, as Linux allows: each function calls the next one, and the result grows on the way back.
void nested_calls(ProgramWriter& out) {
  constexpr int kCallees = 7;
  out.begin_check();
  std::vector<Slot> functions;
  for (int depth = 1; depth <= kCallees; ++depth) {
    functions.push_back(depth < kCallees ? instruction(Op::call_local, 0, 0, 0, 2)
                                         : instruction(Op::mov64_imm, 0, 0, 0, 100));
    functions.push_back(instruction(Op::add64_imm, 0, 0, 0, 1));
    functions.push_back(instruction(Op::exit, 0));
  }
  out.call(functions);
  out.expect(0, 100 + kCallees);
}

void local_call(ProgramWriter& out) {
  for (const std::uint64_t value : {std::uint64_t{1}, std::uint64_t{0x1234567887654321}}) {
    registers_across_a_call(value, out);
    stacks_are_apart(value, out);
  }
  nested_calls(out);
}

// Code behind an exit that is not taken.
void leave(ProgramWriter& out) {
  out.begin_check();
  out.load_operand(1, 0);
  out.emit(Op::jeq64_imm, 1, 0, 2, 0);
  out.fail();
}

}  // namespace

bool fill_control(const Row& row, ProgramWriter& out) {
  switch (row.form) {
    case Form::jump:
    case Form::jump_long:
      jump(row, out);
      return true;
    case Form::call:
      return row.op == Op::call_local ? (local_call(out), true) : false;
    case Form::exit:
      leave(out);
      return true;
    default:
      return false;
  }
}

}  // namespace forager::isa::vectors
