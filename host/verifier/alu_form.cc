// SPDX-License-Identifier: Apache-2.0
#include "verifier/alu_form.h"

#include <array>
#include <string_view>

namespace forager::verifier {
namespace {

using isa::Op;

constexpr auto kForms = [] {
  std::array<AluForm, 256> forms{};
  const auto set = [&](Op op, AluForm form) { forms[static_cast<std::size_t>(op)] = form; };
#define FORAGER_ALU(name, ...)                                                                   \
  for (const Op op : {Op::name##64_imm, Op::name##64_reg, Op::name##32_imm, Op::name##32_reg}) { \
    const bool wide = op == Op::name##64_imm || op == Op::name##64_reg;                          \
    set(op, {Alu::name == Alu::mov ? AluForm::Shape::move : AluForm::Shape::alu, Alu::name,      \
             std::uint8_t(wide ? 64 : 32), 8});                                                  \
  }
#define FORAGER_MOVSX(name, width, bits, expr) \
  set(Op::name, {AluForm::Shape::sign_extend, Alu::mov, width, (bits) / 8});
#define FORAGER_UNARY(name, mnemonic, opcode, imm, width, expr)                                          \
  set(Op::name, {(imm) == 0 ? AluForm::Shape::negate : AluForm::Shape::swap, Alu::sub, width, (imm) / 8, \
                 std::string_view(mnemonic)[0] == 'b'});
#include "isa/isa.def"
  return forms;
}();

}  // namespace

const AluForm& alu_form(Op op) { return kForms[static_cast<std::size_t>(op)]; }

Condition condition_of(Op op) {
  const auto jeq = Condition::eq, jne = Condition::ne, jgt = Condition::gt, jge = Condition::ge, jlt = Condition::lt,
             jle = Condition::le, jsgt = Condition::sgt, jsge = Condition::sge, jslt = Condition::slt,
             jsle = Condition::sle, jset = Condition::set;
  switch (op) {
#define FORAGER_JUMP(name, ...) \
  case Op::name##64_imm:        \
  case Op::name##64_reg:        \
  case Op::name##32_imm:        \
  case Op::name##32_reg:        \
    return name;
#include "isa/isa.def"
    default:
      return Condition::eq;
  }
}

}  // namespace forager::verifier
