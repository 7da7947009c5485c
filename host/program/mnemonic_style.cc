// SPDX-License-Identifier: Apache-2.0
//
// The style of ubpf and the conformance suite: "ldxw %r1, [%r6+4]", "jne32 %r0, 15, label", "lock fetch add [%r1],
// %r2".
#include <array>
#include <utility>

#include <fmt/format.h>

#include "program/assembler.h"

namespace forager::program::assembler {
namespace {

using isa::Form;

// Spellings of the conformance suite that differ from isa.def's.
constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"swap16", "bswap16"},    {"swap32", "bswap32"},    {"swap64", "bswap64"},   {"movsx864", "movsx8"},
    {"movsx1664", "movsx16"}, {"movsx3264", "movsx32"}, {"movsx832", "movsx8w"}, {"movsx1632", "movsx16w"},
};

std::string_view canonical(std::string_view mnemonic) {
  for (const auto& [alias, name] : kAliases) {
    if (alias == mnemonic) return name;
  }
  return mnemonic;
}

void comma(Cursor& cursor) { cursor.expect(","); }

// "[%r1+4]"
std::uint8_t parse_address(Cursor& cursor, Statement& out) {
  cursor.expect("[");
  const std::uint8_t base = cursor.reg().number & 0xf;
  out.slot.offset = cursor.offset();
  cursor.expect("]");
  return base;
}

void dst_operand(Cursor& cursor, Statement& out) { out.slot.dst = cursor.reg().number & 0xf; }
void src_operand(Cursor& cursor, Statement& out) { out.slot.src = cursor.reg().number & 0xf; }
void imm_operand(Cursor& cursor, Statement& out) { out.slot.imm = cursor.imm(); }
void dst_address(Cursor& cursor, Statement& out) { out.slot.dst = parse_address(cursor, out) & 0xf; }
void src_address(Cursor& cursor, Statement& out) { out.slot.src = parse_address(cursor, out) & 0xf; }
void near_target(Cursor& cursor, Statement& out) { parse_target(cursor, out, Field::offset); }
void far_target(Cursor& cursor, Statement& out) { parse_target(cursor, out, Field::imm); }

using Operand = void (*)(Cursor&, Statement&);

// What each form's operands are, separated by commas; null-filled. Calls, exit and wide are read elsewhere.
std::array<Operand, 3> operands_of(Form form) {
  switch (form) {
    case Form::alu_imm:
      return {dst_operand, imm_operand};
    case Form::alu_reg:
      return {dst_operand, src_operand};
    case Form::unary:
      return {dst_operand};
    case Form::jump_imm:
      return {dst_operand, imm_operand, near_target};
    case Form::jump_reg:
      return {dst_operand, src_operand, near_target};
    case Form::jump:
      return {near_target};
    case Form::jump_long:
      return {far_target};
    case Form::load:
      return {dst_operand, src_address};
    case Form::store_imm:
      return {dst_address, imm_operand};
    case Form::store_reg:
    case Form::atomic:
      return {dst_address, src_operand};
    case Form::packet_abs:
      return {imm_operand};
    case Form::packet_ind:
      return {src_operand, imm_operand};
    case Form::call:
    case Form::call_register:
    case Form::exit:
    case Form::wide:
      return {};
  }
  return {};
}

// Arithmetic and jumps have one mnemonic for two rows: the second operand tells, "name %r1, <here>".
bool second_is_register(const Cursor& cursor) {
  const std::string_view text = cursor.peek(2).text;
  return cursor.is(",", 1) && text.size() > 1 && (text[0] == 'r' || text[0] == 'w') && text[1] >= '0' && text[1] <= '9';
}

const isa::Row* row_of(std::string_view mnemonic, const Cursor& cursor) {
  const bool by_register = second_is_register(cursor);
  return find_row_where([&](const isa::Row& row) {
    if (row.mnemonic != mnemonic || row.form == Form::atomic) return false;
    const bool immediate = row.form == Form::alu_imm || row.form == Form::jump_imm;
    return !(immediate && by_register);
  });
}

// "lock add [..], r", "lock fetch add32 [..], r", after "lock".
const isa::Row* atomic_row(Cursor& cursor) {
  const std::string prefix = cursor.accept("fetch") ? "fetch_" : "";
  const std::string mnemonic = prefix + std::string(cursor.word("an atomic operation"));
  const isa::Row* row = find_row_where(
      [&](const isa::Row& candidate) { return candidate.form == Form::atomic && candidate.mnemonic == mnemonic; });
  if (row == nullptr) cursor.refuse(fmt::format("'{}' is no atomic operation", mnemonic));
  return row;
}

Statement parse_operands(Cursor& cursor, const isa::Row& row) {
  Statement out{.slot = slot_of(row)};
  const auto operands = operands_of(row.form);
  for (std::size_t i = 0; i < operands.size() && operands[i] != nullptr; ++i) {
    if (i > 0) comma(cursor);
    operands[i](cursor, out);
  }
  return out;
}

Statement parse_lddw(Cursor& cursor) {
  const Register dst = cursor.reg();
  comma(cursor);
  return parse_wide(cursor, dst);
}

}  // namespace

Statement parse_mnemonic_style(Cursor& cursor) {
  const std::string_view mnemonic = canonical(cursor.word("an instruction"));
  if (mnemonic == "lddw") return parse_lddw(cursor);
  const isa::Row* row = mnemonic == "lock" ? atomic_row(cursor) : row_of(mnemonic, cursor);
  if (row == nullptr) {
    cursor.refuse(fmt::format("'{}' is no instruction", mnemonic));
    return {};
  }
  return parse_operands(cursor, *row);
}

}  // namespace forager::program::assembler
