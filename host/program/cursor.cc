// SPDX-License-Identifier: Apache-2.0
//
// The cursor: the assembler's vocabulary that both styles share.
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "program/assembler.h"

namespace forager::program::assembler {
namespace {

// "r0".."r10", "w0".."w10".
std::optional<Register> register_named(std::string_view text) {
  if (text.size() < 2 || text.size() > 3 || (text[0] != 'r' && text[0] != 'w')) return {};
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number >= isa::kRegisters) return {};
  return Register{static_cast<std::uint8_t>(number), text[0] == 'w'};
}

}  // namespace

const Token& Cursor::peek(std::size_t ahead) const {
  static constexpr Token kEnd{};
  return at_ + ahead < tokens_.size() ? tokens_[at_ + ahead] : kEnd;
}

bool Cursor::is_register() const { return peek().kind == Token::Kind::word && register_named(peek().text); }

bool Cursor::is_number() const {
  const std::size_t ahead = is("-") || is("+") ? 1 : 0;
  return peek(ahead).kind == Token::Kind::number;
}

void Cursor::refuse(std::string message) {
  if (error_.empty()) error_ = std::move(message);
}

void Cursor::fail(std::string_view expected) {
  if (at_end()) return refuse(fmt::format("expected {}, found the end of the line", expected));
  refuse(fmt::format("expected {}, found '{}'", expected, peek().text));
}

bool Cursor::accept(std::string_view text) {
  if (!is(text)) return false;
  ++at_;
  return true;
}

void Cursor::expect(std::string_view text) {
  if (!accept(text)) fail(fmt::format("'{}'", text));
}

std::string_view Cursor::word(std::string_view what) {
  if (peek().kind != Token::Kind::word) fail(what);
  return at_end() ? std::string_view() : tokens_[at_++].text;
}

std::string_view Cursor::sign(std::string_view what) {
  if (peek().kind != Token::Kind::sign) fail(what);
  return at_end() ? std::string_view() : tokens_[at_++].text;
}

Register Cursor::reg() {
  if (!is_register()) {
    fail("a register (r0-r10)");
    return {};
  }
  return *register_named(tokens_[at_++].text);
}

std::int64_t Cursor::number(std::string_view what) {
  const bool negative = is("-");
  if (negative || is("+")) ++at_;
  if (peek().kind != Token::Kind::number) {
    fail(what);
    return 0;
  }
  const std::uint64_t magnitude = tokens_[at_++].value;
  return static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
}

// 32 bits, written signed or unsigned.
std::int32_t Cursor::imm() {
  const std::int64_t value = number("a number");
  if (value < std::numeric_limits<std::int32_t>::min() || value > std::numeric_limits<std::uint32_t>::max()) {
    refuse(fmt::format("immediate {} does not fit 32 bits", value));
  }
  return static_cast<std::int32_t>(value);
}

std::int16_t Cursor::offset(Sign sign) {
  if (sign == Sign::required && !is("+") && !is("-")) return 0;
  const std::int64_t value = number("an offset");
  if (value != static_cast<std::int16_t>(value)) refuse(fmt::format("offset {} does not fit 16 bits", value));
  return static_cast<std::int16_t>(value);
}

std::uint32_t Cursor::index(std::string_view what) {
  const std::int64_t value = number(what);
  if (value < 0 || value > std::numeric_limits<std::uint32_t>::max()) {
    refuse(fmt::format("{} {} is out of range", what, value));
  }
  return static_cast<std::uint32_t>(value);
}

}  // namespace forager::program::assembler
