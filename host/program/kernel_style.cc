// SPDX-License-Identifier: Apache-2.0
//
// Kernel style: "r1 = *(u32 *)(r6 +4)", "if w1 s> 0x5 goto pc+3", "lock *(u64 *)(r1 +0) += r2".
#include <charconv>

#include <fmt/format.h>

#include "program/assembler.h"

namespace forager::program::assembler {
namespace {

using isa::Form;
using isa::Op;

std::uint8_t width_of(Register reg) { return reg.half ? 32 : 64; }

const isa::Row* row_by_symbol(Form form, std::string_view symbol, unsigned width) {
  return find_row_where(
      [&](const isa::Row& row) { return row.form == form && row.symbol == symbol && row.width == width; });
}

// "(u32 *)": bits and signedness; "(s8)" is a cast instead.
struct Type {
  unsigned bits = 0;
  bool is_signed = false;
};

Type parse_type(Cursor& cursor) {
  const std::string_view name = cursor.word("a type (u8, u16, u32, u64, s8, s16, s32)");
  Type type;
  type.is_signed = name.starts_with('s');
  if (!name.empty()) std::from_chars(name.data() + 1, name.data() + name.size(), type.bits);
  const bool known = type.bits == 8 || type.bits == 16 || type.bits == 32 || (type.bits == 64 && !type.is_signed);
  if (!known || (name[0] != 'u' && name[0] != 's')) {
    cursor.refuse(fmt::format("'{}' is no type: u8, u16, u32, u64, s8, s16, s32 are", name));
  }
  return type;
}

struct Memory {
  Type type;
  std::uint8_t base = 0;
  std::int16_t offset = 0;
};

Type parse_pointer_type(Cursor& cursor) {
  cursor.expect("(");
  const Type type = parse_type(cursor);
  cursor.expect("*");
  cursor.expect(")");
  return type;
}

// "(u32 *)(r6 +4)"
Memory parse_memory(Cursor& cursor) {
  Memory out;
  out.type = parse_pointer_type(cursor);
  cursor.expect("(");
  out.base = cursor.reg().number;
  out.offset = cursor.offset();
  cursor.expect(")");
  return out;
}

isa::Slot memory_slot(Cursor& cursor, Form form, const Memory& memory) {
  const isa::Row* row = find_row_where([&](const isa::Row& candidate) {
    return candidate.form == form && candidate.width == memory.type.bits &&
           candidate.sign_extends == memory.type.is_signed;
  });
  if (row == nullptr) {
    cursor.refuse("no instruction accesses memory of this type so");
    return {};
  }
  isa::Slot slot = slot_of(*row);
  slot.offset = memory.offset;
  return slot;
}

// "r0 = *(u8 *)skb[4]", "r0 = *(u8 *)skb[r1 + 4]", after "skb".
Statement parse_packet_load(Cursor& cursor, Register dst, Type type) {
  if (dst.number != 0 || dst.half) cursor.refuse("packet loads go to r0");
  cursor.expect("[");
  Statement out;
  const bool indirect = cursor.is_register();
  Memory memory{.type = type};
  if (indirect) memory.base = cursor.reg().number;
  out.slot = memory_slot(cursor, indirect ? Form::packet_ind : Form::packet_abs, memory);
  out.slot.src = memory.base & 0xf;
  if (indirect && !cursor.is("-") && !cursor.is("]")) cursor.expect("+");  // "+ -4" is how the kernel prints it
  if (!indirect || cursor.is_number()) out.slot.imm = cursor.imm();
  cursor.expect("]");
  return out;
}

// After "r1 = *".
Statement parse_load(Cursor& cursor, Register dst) {
  const bool from_packet = cursor.is("skb", 4);
  if (from_packet) {
    const Type type = parse_pointer_type(cursor);
    cursor.expect("skb");
    return parse_packet_load(cursor, dst, type);
  }
  const Memory memory = parse_memory(cursor);
  Statement out{.slot = memory_slot(cursor, Form::load, memory)};
  out.slot.dst = dst.number & 0xf;
  out.slot.src = memory.base & 0xf;
  return out;
}

// "*(u32 *)(r10 -4) = r1" or "= 5", after "*".
Statement parse_store(Cursor& cursor) {
  const Memory memory = parse_memory(cursor);
  cursor.expect("=");
  Statement out;
  if (cursor.is_register()) {
    const std::uint8_t src = cursor.reg().number;
    out.slot = memory_slot(cursor, Form::store_reg, memory);
    out.slot.src = src & 0xf;
  } else {
    out.slot = memory_slot(cursor, Form::store_imm, memory);
    out.slot.imm = cursor.imm();
  }
  out.slot.dst = memory.base & 0xf;
  return out;
}

const isa::Row* atomic_row(Cursor& cursor, bool fetches, unsigned width, auto matches) {
  const isa::Row* row = find_row_where([&](const isa::Row& candidate) {
    return candidate.form == Form::atomic && candidate.fetches == fetches && candidate.width == width &&
           matches(candidate);
  });
  if (row == nullptr) cursor.refuse("no such atomic operation");
  return row;
}

Statement atomic_statement(const isa::Row* row, const Memory& memory, Register src) {
  if (row == nullptr) return {};
  Statement out{.slot = slot_of(*row)};
  out.slot.dst = memory.base & 0xf;
  out.slot.src = src.number & 0xf;
  out.slot.offset = memory.offset;
  return out;
}

// "lock *(u64 *)(r1 +0) += r2", after "lock *".
Statement parse_lock(Cursor& cursor) {
  const Memory memory = parse_memory(cursor);
  const std::string_view symbol = cursor.sign("an operator");
  const Register src = cursor.reg();
  const isa::Row* row = atomic_row(cursor, false, memory.type.bits,
                                   [&](const isa::Row& candidate) { return candidate.symbol == symbol; });
  return atomic_statement(row, memory, src);
}

// "r2 = atomic64_fetch_add((u64 *)(r1 +0), r2)", "r0 = atomic_cmpxchg((u32 *)(r1 +0), r0, r2)"; the width is the
// type's.
Statement parse_fetch(Cursor& cursor, Register dst, std::string_view name) {
  name.remove_prefix(name.starts_with("atomic64_") ? 9 : 7);
  cursor.expect("(");
  const Memory memory = parse_memory(cursor);
  cursor.expect(",");
  const bool compares = name == "cmpxchg";
  if (compares) {
    if (cursor.reg().number != 0 || dst.number != 0) cursor.refuse("cmpxchg compares with r0 and returns in r0");
    cursor.expect(",");
  }
  const Register src = cursor.reg();
  cursor.expect(")");
  if (!compares && src.number != dst.number) cursor.refuse("the old value goes to the register that held the operand");
  const std::string mnemonic = std::string(name) + (memory.type.bits == 32 ? "32" : "");
  const isa::Row* row = atomic_row(cursor, true, memory.type.bits,
                                   [&](const isa::Row& candidate) { return candidate.mnemonic == mnemonic; });
  return atomic_statement(row, memory, src);
}

Statement one_register(Cursor& cursor, Register dst, const isa::Row* row) {
  const Register src = cursor.reg();
  if (src.number != dst.number || src.half != dst.half) cursor.refuse("this operation has one register, on both sides");
  Statement out{.slot = row == nullptr ? isa::Slot{} : slot_of(*row)};
  out.slot.dst = dst.number & 0xf;
  return out;
}

// "r1 = (s8)r2", after "=".
Statement parse_extension(Cursor& cursor, Register dst) {
  cursor.expect("(");
  const Type type = parse_type(cursor);
  cursor.expect(")");
  const Register src = cursor.reg();
  const isa::Row* row = find_row_where([&](const isa::Row& candidate) {
    return candidate.form == Form::alu_reg && candidate.symbol == "=" && candidate.width == width_of(dst) &&
           type.is_signed && candidate.match.offset == static_cast<std::int16_t>(type.bits);
  });
  if (row == nullptr || src.half != dst.half) {
    cursor.refuse("no move extends so");
    return {};
  }
  Statement out{.slot = slot_of(*row)};
  out.slot.dst = dst.number & 0xf;
  out.slot.src = src.number & 0xf;
  return out;
}

// "r1 += r2", "w1 s>>= 5", "r1 = r2", after the operator.
Statement parse_alu(Cursor& cursor, Register dst, std::string_view symbol) {
  const bool from_register = cursor.is_register();
  const isa::Row* row = row_by_symbol(from_register ? Form::alu_reg : Form::alu_imm, symbol, width_of(dst));
  if (row == nullptr) {
    cursor.refuse(fmt::format("'{}' is no arithmetic operator", symbol));
    return {};
  }
  Statement out{.slot = slot_of(*row)};
  out.slot.dst = dst.number & 0xf;
  if (from_register) {
    const Register src = cursor.reg();
    if (src.half != dst.half) cursor.refuse("both registers must be r or both w");
    out.slot.src = src.number & 0xf;
  } else {
    out.slot.imm = cursor.imm();
  }
  return out;
}

// "r1 = be16 r1", "r1 = map[...] ll", "r2 = atomic_fetch_add(...)": a word that is no register follows.
Statement parse_named_assignment(Cursor& cursor, Register dst) {
  const std::string_view name = cursor.peek().text;
  if (name.starts_with("atomic_") || name.starts_with("atomic64_")) {
    return parse_fetch(cursor, dst, cursor.word("an atomic operation"));
  }
  const isa::Row* row = find_row_where(
      [&](const isa::Row& candidate) { return candidate.form == Form::unary && candidate.mnemonic == name; });
  if (row != nullptr && !dst.half) {
    cursor.accept(name);
    return one_register(cursor, dst, row);
  }
  Statement out = parse_wide(cursor, dst);
  cursor.accept("ll");
  return out;
}

bool is_wide_number(const Cursor& cursor) {
  const std::size_t ahead = cursor.is("-") || cursor.is("+") ? 2 : 1;
  return cursor.is_number() && cursor.is("ll", ahead);
}

// After "r1 =".
Statement parse_assignment(Cursor& cursor, Register dst) {
  if (cursor.accept("*")) return parse_load(cursor, dst);
  if (cursor.is("(")) return parse_extension(cursor, dst);
  if (is_wide_number(cursor)) {
    Statement out = parse_wide(cursor, dst);
    cursor.accept("ll");
    return out;
  }
  if (cursor.is_number() || cursor.is_register()) return parse_alu(cursor, dst, "=");
  if (cursor.accept("-")) return one_register(cursor, dst, &isa::row(dst.half ? Op::neg32 : Op::neg64));
  return parse_named_assignment(cursor, dst);
}

// "if r1 > r2 goto pc+3", after "if".
Statement parse_branch(Cursor& cursor) {
  const Register dst = cursor.reg();
  const std::string_view symbol = cursor.sign("a comparison");
  const bool with_register = cursor.is_register();
  const isa::Row* row = row_by_symbol(with_register ? Form::jump_reg : Form::jump_imm, symbol, width_of(dst));
  if (row == nullptr) {
    cursor.refuse(fmt::format("'{}' is no comparison", symbol));
    return {};
  }
  Statement out{.slot = slot_of(*row)};
  out.slot.dst = dst.number & 0xf;
  if (with_register) {
    const Register src = cursor.reg();
    if (src.half != dst.half) cursor.refuse("both registers must be r or both w");
    out.slot.src = src.number & 0xf;
  } else {
    out.slot.imm = cursor.imm();
  }
  cursor.expect("goto");
  parse_target(cursor, out, Field::offset);
  return out;
}

Statement parse_jump(Cursor& cursor, Op op, Field field) {
  Statement out{.slot = slot_of(op)};
  parse_target(cursor, out, field);
  return out;
}

}  // namespace

bool looks_like_kernel_style(const Cursor& cursor) {
  return cursor.is_register() || cursor.is("*") || cursor.is("if") || cursor.is("goto") || cursor.is("gotol") ||
         (cursor.is("lock") && cursor.is("*", 1));
}

Statement parse_kernel_style(Cursor& cursor) {
  if (cursor.accept("if")) return parse_branch(cursor);
  if (cursor.accept("goto")) return parse_jump(cursor, Op::ja, Field::offset);
  if (cursor.accept("gotol")) return parse_jump(cursor, Op::ja32, Field::imm);
  if (cursor.accept("*")) return parse_store(cursor);
  if (cursor.accept("lock")) {
    cursor.expect("*");
    return parse_lock(cursor);
  }
  const Register dst = cursor.reg();
  const std::string_view symbol = cursor.sign("an operator");
  return symbol == "=" ? parse_assignment(cursor, dst) : parse_alu(cursor, dst, symbol);
}

}  // namespace forager::program::assembler
