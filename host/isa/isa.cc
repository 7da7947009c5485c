// SPDX-License-Identifier: Apache-2.0
//
// isa.def expanded into rows, the proof that encodings are disjoint, and the 256-entry opcode index.
#include "isa/isa.h"

#include <algorithm>

namespace forager::isa {
namespace {

// The words of isa.def's group column.
constexpr bool base = false, divmul = true;  // NOLINT(readability-identifier-naming)

constexpr Group alu_group(bool is_divmul, unsigned width) {
  if (is_divmul) return width == 64 ? Group::divmul64 : Group::divmul32;
  return width == 64 ? Group::base64 : Group::base32;
}
constexpr Group memory_group(unsigned bytes, bool sign) { return bytes == 8 || sign ? Group::base64 : Group::base32; }

// Instruction classes and source bit (RFC 9669 section 3.2).
constexpr std::uint8_t kAlu = 0x04, kAlu64 = 0x07, kJmp = 0x05, kJmp32 = 0x06, kRegister = 0x08, kNeg64 = 0x87;

// What a row says in words.
struct Text {
  std::string_view name, mnemonic, symbol, semantics;
};

constexpr Row make(Op op, Text text, std::uint8_t opcode, Form form, Group group, unsigned width, Match match = {},
                   bool sign_extends = false, bool fetches = false) {
  return {.op = op,
          .name = text.name,
          .mnemonic = text.mnemonic,
          .symbol = text.symbol,
          .semantics = text.semantics,
          .opcode = opcode,
          .form = form,
          .group = group,
          .width = static_cast<std::uint8_t>(width),
          .sign_extends = sign_extends,
          .fetches = fetches,
          .match = match};
}

constexpr Match by_offset(std::int16_t offset) { return {.offset = offset, .imm = {}, .src = {}}; }
constexpr Match by_imm(std::int32_t imm) { return {.offset = {}, .imm = imm, .src = {}}; }
constexpr Match by_src(std::uint8_t src) { return {.offset = {}, .imm = {}, .src = src}; }

constexpr Row alu(Op op, Text text, unsigned code, bool reg, std::int16_t offset, bool is_divmul, unsigned width) {
  const auto opcode = static_cast<std::uint8_t>(code << 4 | (width == 64 ? kAlu64 : kAlu) | (reg ? kRegister : 0));
  const Form form = reg ? Form::alu_reg : Form::alu_imm;
  return make(op, text, opcode, form, alu_group(is_divmul, width), width, by_offset(offset));
}

constexpr Row jump(Op op, Text text, unsigned code, bool reg, unsigned width) {
  const auto opcode = static_cast<std::uint8_t>(code << 4 | (width == 64 ? kJmp : kJmp32) | (reg ? kRegister : 0));
  return make(op, text, opcode, reg ? Form::jump_reg : Form::jump_imm, alu_group(false, width), width);
}

constexpr Row unary(Op op, Text text, std::uint8_t opcode, std::int32_t selector, unsigned width) {
  const bool wide = opcode == kNeg64 || selector == 64;  // RFC 9669 section 2.4: 64-bit swaps are of base64
  return make(op, text, opcode, Form::unary, alu_group(false, wide ? 64 : 32), width, by_imm(selector));
}

constexpr Row kListed[] = {
#define FORAGER_ALU(name, mnemonic, code, offset, group, symbol, expr)                                       \
  alu(Op::name##64_imm, {#name "64_imm", mnemonic, symbol, #expr}, code, false, offset, group, 64),          \
      alu(Op::name##64_reg, {#name "64_reg", mnemonic, symbol, #expr}, code, true, offset, group, 64),       \
      alu(Op::name##32_imm, {#name "32_imm", mnemonic "32", symbol, #expr}, code, false, offset, group, 32), \
      alu(Op::name##32_reg, {#name "32_reg", mnemonic "32", symbol, #expr}, code, true, offset, group, 32),
#define FORAGER_MOVSX(name, width, bits, expr) alu(Op::name, {#name, #name, "=", #expr}, 0xb, true, bits, base, width),
#define FORAGER_UNARY(name, mnemonic, opcode, selector, width, expr) \
  unary(Op::name, {#name, mnemonic, "", #expr}, opcode, selector, width),
#define FORAGER_JUMP(name, mnemonic, code, symbol, expr)                                       \
  jump(Op::name##64_imm, {#name "64_imm", mnemonic, symbol, #expr}, code, false, 64),          \
      jump(Op::name##64_reg, {#name "64_reg", mnemonic, symbol, #expr}, code, true, 64),       \
      jump(Op::name##32_imm, {#name "32_imm", mnemonic "32", symbol, #expr}, code, false, 32), \
      jump(Op::name##32_reg, {#name "32_reg", mnemonic "32", symbol, #expr}, code, true, 32),
#define FORAGER_CONTROL(name, mnemonic, opcode, selector, form)                    \
  make(Op::name, {#name, mnemonic, "", ""}, opcode, Form::form, Group::base32, 64, \
       Form::form == Form::call ? by_src(selector) : Match{}),
#define FORAGER_WIDE(name, selector) \
  make(Op::name, {#name, "lddw", "=", ""}, 0x18, Form::wide, Group::base64, 64, by_src(selector)),
#define FORAGER_LOAD(name, mnemonic, opcode, bytes, sign) \
  make(Op::name, {#name, mnemonic, "=", ""}, opcode, Form::load, memory_group(bytes, sign), (bytes) * 8, {}, sign),
#define FORAGER_STORE(name, mnemonic, opcode, bytes, form) \
  make(Op::name, {#name, mnemonic, "=", ""}, opcode, Form::form, memory_group(bytes, false), (bytes) * 8),
#define FORAGER_PACKET(name, mnemonic, opcode, bytes, form) \
  make(Op::name, {#name, mnemonic, "", ""}, opcode, Form::form, Group::packet, (bytes) * 8),
#define FORAGER_ATOMIC(name, mnemonic, imm, fetch, symbol, expr)                                                  \
  make(Op::name##64, {#name "64", mnemonic, symbol, #expr}, 0xdb, Form::atomic, Group::atomic64, 64, by_imm(imm), \
       false, fetch),                                                                                             \
      make(Op::name##32, {#name "32", mnemonic "32", symbol, #expr}, 0xc3, Form::atomic, Group::atomic32, 32,     \
           by_imm(imm), false, fetch),
#include "isa/isa.def"
};

// The offset column of isa.def tells ALU rows of one opcode apart (div from sdiv, mov from movsx). Where the opcode is
// enough, the offset is a reserved field like any other, and a program that sets it is told so.
constexpr bool shares_opcode(const Row& row) { return std::ranges::count(kListed, row.opcode, &Row::opcode) > 1; }
constexpr auto kRows = [] {
  auto rows = std::to_array(kListed);
  for (Row& row : rows) {
    if (row.form == Form::alu_imm || row.form == Form::alu_reg) {
      if (!shares_opcode(row)) row.match.offset = {};
    }
  }
  return rows;
}();

constexpr std::size_t kRowCount = std::size(kRows);
static_assert(kRowCount < 0xff, "the opcode index stores row numbers in a byte");

// Two rows are disjoint if their opcodes differ or some selecting field has two different values.
template <class T>
constexpr bool differ(const std::optional<T>& a, const std::optional<T>& b) {
  return a && b && *a != *b;
}
constexpr bool disjoint(const Row& a, const Row& b) {
  return a.opcode != b.opcode || differ(a.match.offset, b.match.offset) || differ(a.match.imm, b.match.imm) ||
         differ(a.match.src, b.match.src);
}
constexpr bool all_disjoint() {
  for (std::size_t i = 0; i < kRowCount; ++i) {
    if (static_cast<std::size_t>(kRows[i].op) != i) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (!disjoint(kRows[i], kRows[j])) return false;
    }
  }
  return true;
}
static_assert(all_disjoint(), "two rows of isa.def encode the same instruction, or rows and Op are out of step");

constexpr bool matches(const Row& row, const Slot& slot) {
  return row.opcode == slot.opcode && row.match.offset.value_or(slot.offset) == slot.offset &&
         row.match.imm.value_or(slot.imm) == slot.imm && row.match.src.value_or(slot.src) == slot.src;
}

// First row of each opcode: rows of one opcode may lie apart (div and sdiv), so a search starts there.
constexpr std::array<std::uint8_t, 256> make_index() {
  std::array<std::uint8_t, 256> index{};
  index.fill(0xff);
  for (std::size_t i = kRowCount; i-- > 0;) index[kRows[i].opcode] = static_cast<std::uint8_t>(i);
  return index;
}
constexpr auto kFirstRow = make_index();

}  // namespace

std::span<const Row> rows() { return kRows; }

const Row& row(Op op) { return kRows[static_cast<std::size_t>(op)]; }

const Row* find_row(const Slot& slot) {
  for (std::size_t i = kFirstRow[slot.opcode]; i < kRowCount; ++i) {
    if (matches(kRows[i], slot)) return &kRows[i];
  }
  return nullptr;
}

const char* reserved_field_set(const Row& row, const Slot& slot) {
  const Fields used = fields_of(row.form);
  if (!used.dst && slot.dst != 0) return "dst";
  if (!used.src && !row.match.src && slot.src != 0) return "src";
  if (!used.offset && !row.match.offset && slot.offset != 0) return "offset";
  if (!used.imm && !row.match.imm && slot.imm != 0) return "imm";
  return nullptr;
}

}  // namespace forager::isa
