// SPDX-License-Identifier: Apache-2.0
//
// What both styles of the assembler write alike: jump targets, 64-bit immediates, calls.
#include <algorithm>

#include <fmt/format.h>

#include "isa/tables.h"
#include "program/assembler.h"

namespace forager::program::assembler {
namespace {

using isa::Op;

// "[name]" or "[number]" of a map.
std::uint32_t map_number(Cursor& cursor) {
  if (cursor.is_number()) return cursor.index("a map index");
  const std::string_view name = cursor.word("a map name or index");
  const auto found = std::ranges::find(cursor.map_names(), name);
  if (found == cursor.map_names().end()) cursor.refuse(fmt::format("no map is called '{}'", name));
  return static_cast<std::uint32_t>(found - cursor.map_names().begin());
}

std::uint32_t plain_number(Cursor& cursor) { return cursor.index("a number"); }

// References that a 64-bit immediate may hold: "word[number]", with an offset into what it names by another row.
struct Reference {
  std::string_view word;
  std::uint32_t (*number)(Cursor&);
  Op plain;
  Op with_offset;
  std::string_view offset_mark;  // what stands before "+offset"
};
constexpr Reference kReferences[] = {
    {"map", map_number, Op::lddw_map_idx, Op::lddw_map_idx_value, "[0]"},
    {"map_fd", plain_number, Op::lddw_map_fd, Op::lddw_map_value, "[0]"},
    {"btf_id", plain_number, Op::lddw_btf_id, Op::lddw_btf_id, ""},
};

bool accept_offset_mark(Cursor& cursor, std::string_view mark) {
  if (mark.empty()) return cursor.is("+");
  if (!cursor.accept("[")) return false;
  cursor.expect("0");
  cursor.expect("]");
  return true;
}

Statement parse_reference(Cursor& cursor, const Reference& reference) {
  cursor.expect("[");
  const std::uint32_t number = reference.number(cursor);
  cursor.expect("]");
  const bool has_offset = accept_offset_mark(cursor, reference.offset_mark);
  Statement out{.slot = slot_of(has_offset ? reference.with_offset : reference.plain)};
  out.slot.imm = static_cast<std::int32_t>(number);
  out.upper = has_offset && cursor.is("+") ? cursor.index("an offset") : 0;
  return out;
}

Statement parse_function(Cursor& cursor) {
  Statement out{.slot = slot_of(Op::lddw_func), .upper = 0};
  cursor.expect("[");
  parse_target(cursor, out, Field::imm);
  cursor.expect("]");
  return out;
}

Statement parse_wide_operand(Cursor& cursor) {
  for (const Reference& reference : kReferences) {
    if (cursor.accept(reference.word)) return parse_reference(cursor, reference);
  }
  if (cursor.accept("subprog")) return parse_function(cursor);
  if (!cursor.is_number()) cursor.fail("a 64-bit number, map[...], map_fd[...], btf_id[...] or subprog[...]");
  const auto value = static_cast<std::uint64_t>(cursor.number("a 64-bit number"));
  Statement out{.slot = slot_of(Op::lddw), .upper = static_cast<std::uint32_t>(value >> 32)};
  out.slot.imm = static_cast<std::int32_t>(value);
  return out;
}

Statement call(Op op, std::int32_t imm) {
  Statement out{.slot = slot_of(op)};
  out.slot.imm = imm;
  return out;
}

Statement parse_local_call(Cursor& cursor) {
  Statement out{.slot = slot_of(Op::call_local)};
  parse_target(cursor, out, Field::imm);
  return out;
}

Statement parse_indirect_call(Cursor& cursor) {
  Statement out{.slot = slot_of(Op::callx)};
  out.slot.dst = cursor.reg().number & 0xf;
  return out;
}

// "bpf_redirect", "bpf_redirect#23", "unknown#9999", "kfunc#12"; any other name is a label.
Statement parse_named_call(Cursor& cursor) {
  const std::string_view name = cursor.word("a helper, a label or a register");
  const isa::HelperRow* helper = name.starts_with("bpf_") ? isa::find_helper(name.substr(4)) : nullptr;
  if (!cursor.accept("#")) {
    if (helper != nullptr) return call(Op::call_helper, static_cast<std::int32_t>(helper->id));
    Statement out{.slot = slot_of(Op::call_local)};
    out.label = name;
    return out;
  }
  const std::int32_t id = cursor.imm();
  if (helper != nullptr && helper->id != static_cast<std::uint32_t>(id)) {
    cursor.refuse(fmt::format("helper {} has number {}, not {}", name, helper->id, id));
  }
  return call(name == "kfunc" ? Op::call_kfunc : Op::call_helper, id);
}

Statement parse_call(Cursor& cursor) {
  if (cursor.is_register()) return parse_indirect_call(cursor);
  if (cursor.accept("local") || cursor.is("pc")) return parse_local_call(cursor);
  if (cursor.accept("runtime")) return call(Op::call_kfunc, cursor.imm());
  const bool named_helper = cursor.accept("helper");
  if (cursor.is_number()) return call(Op::call_helper, cursor.imm());
  if (named_helper) cursor.fail("a helper's number");
  return parse_named_call(cursor);
}

}  // namespace

isa::Slot slot_of(const isa::Row& row) {
  isa::Slot slot;
  slot.opcode = row.opcode;
  slot.offset = row.match.offset.value_or(0);
  slot.imm = row.match.imm.value_or(0);
  slot.src = row.match.src.value_or(0) & 0xf;
  return slot;
}

isa::Slot slot_of(Op op) { return slot_of(isa::row(op)); }

void parse_target(Cursor& cursor, Statement& out, Field field) {
  cursor.accept("pc");
  if (!cursor.is_number()) {
    out.label = cursor.word("a jump distance or a label");
  } else if (field == Field::imm) {
    out.slot.imm = cursor.imm();
  } else {
    out.slot.offset = cursor.offset(Cursor::Sign::optional);
  }
}

Statement parse_wide(Cursor& cursor, Register dst) {
  if (dst.half) cursor.refuse("a 64-bit immediate needs a 64-bit register");
  Statement out = parse_wide_operand(cursor);
  out.slot.dst = dst.number & 0xf;
  return out;
}

std::optional<Statement> parse_control(Cursor& cursor) {
  if (cursor.accept("call")) return parse_call(cursor);
  if (cursor.accept("callx")) return parse_indirect_call(cursor);
  if (cursor.accept("exit")) return Statement{.slot = slot_of(Op::exit)};
  return {};
}

}  // namespace forager::program::assembler
