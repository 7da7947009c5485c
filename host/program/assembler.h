// SPDX-License-Identifier: Apache-2.0
//
// The parts of the assembler: tokens of a line, a cursor over them, and one parser per style. Private to this folder.
//
// A cursor remembers the first thing it did not find and from then on answers with harmless values, so that parsers
// read as grammar and the driver (assemble.cc) checks once per line.
//
// Tested by: tests/unit/program_text_test.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "isa/isa.h"

namespace forager::program::assembler {

struct Token {
  enum class Kind : std::uint8_t { word, number, sign, end };
  Kind kind = Kind::end;
  std::string_view text;
  std::uint64_t value = 0;  // of a number
};

// Splits one line; a comment ends it. Signs are the operators of isa.def and punctuation. nullopt if some character
// begins no token; `bad` is then that character.
[[nodiscard]] std::optional<std::vector<Token>> tokenize(std::string_view line, char& bad);

struct Register {
  std::uint8_t number = 0;
  bool half = false;  // wN
};

// One assembled line. `label` is the name whose slot distance goes into the offset or the immediate.
struct Statement {
  isa::Slot slot;
  std::optional<std::uint32_t> upper;  // second slot's immediate, for 64-bit immediates
  std::string_view label;
};

class Cursor {
 public:
  Cursor(std::vector<Token> tokens, const std::vector<std::string>& map_names)
      : tokens_(std::move(tokens)), map_names_(map_names) {}

  [[nodiscard]] const Token& peek(std::size_t ahead = 0) const;
  [[nodiscard]] bool at_end() const { return peek().kind == Token::Kind::end; }
  [[nodiscard]] bool is(std::string_view text, std::size_t ahead = 0) const { return peek(ahead).text == text; }
  [[nodiscard]] bool is_register() const;
  [[nodiscard]] bool is_number() const;  // with or without a sign before it

  bool accept(std::string_view text);
  void expect(std::string_view text);
  std::string_view word(std::string_view what);
  std::string_view sign(std::string_view what);
  Register reg();
  std::int64_t number(std::string_view what);  // any 64-bit pattern
  std::int32_t imm();
  enum class Sign : std::uint8_t { required, optional };
  std::int16_t offset(Sign sign = Sign::required);  // "+4", "- 8", or nothing, which is 0
  std::uint32_t index(std::string_view what);       // not negative

  [[nodiscard]] const std::vector<std::string>& map_names() const { return map_names_; }

  void fail(std::string_view expected);  // ..., found the current token
  void refuse(std::string message);
  [[nodiscard]] bool failed() const { return !error_.empty(); }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  const std::vector<std::string>& map_names_;
  std::string error_;
};

// The first row for which the predicate holds, or nullptr.
template <class Predicate>
[[nodiscard]] const isa::Row* find_row_where(Predicate predicate) {
  for (const isa::Row& row : isa::rows()) {
    if (predicate(row)) return &row;
  }
  return nullptr;
}

// A slot with the row's opcode and selecting fields.
[[nodiscard]] isa::Slot slot_of(const isa::Row& row);
[[nodiscard]] isa::Slot slot_of(isa::Op op);

// Operands that both styles share (operands.cc).
enum class Field : std::uint8_t { offset, imm };
void parse_target(Cursor& cursor, Statement& out, Field field);        // "pc+3", "+3", "label"
[[nodiscard]] Statement parse_wide(Cursor& cursor, Register dst);      // what a 64-bit immediate loads
[[nodiscard]] std::optional<Statement> parse_control(Cursor& cursor);  // calls and exit, or nullopt

// The two styles. A line that begins as kernel style does is in kernel style.
[[nodiscard]] bool looks_like_kernel_style(const Cursor& cursor);
[[nodiscard]] Statement parse_kernel_style(Cursor& cursor);
[[nodiscard]] Statement parse_mnemonic_style(Cursor& cursor);

}  // namespace forager::program::assembler
