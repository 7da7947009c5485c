// SPDX-License-Identifier: Apache-2.0
//
// From the characters of a line to tokens. The operators are those of isa.def, so a new one needs no change here.
#include <algorithm>
#include <charconv>

#include "program/assembler.h"

namespace forager::program::assembler {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// A '#' that is glued between two words names a helper's number ("bpf_redirect#23"); any other begins a comment.
bool begins_comment(std::string_view line, std::size_t at) {
  if (line[at] == ';') return true;
  if (line[at] == '/') return line.substr(at).starts_with("//");
  if (line[at] != '#') return false;
  const bool glued = at > 0 && (is_letter(line[at - 1]) || is_digit(line[at - 1]));
  return !glued || at + 1 == line.size() || !is_digit(line[at + 1]);
}

std::size_t word_length(std::string_view rest) {
  const auto end = std::ranges::find_if(rest, [](char c) { return !is_letter(c) && !is_digit(c); });
  return static_cast<std::size_t>(end - rest.begin());
}

// The longest operator or punctuation mark that the text begins with.
std::size_t sign_length(std::string_view rest) {
  std::size_t longest = std::string_view("()[]*,:+-#=&").find(rest[0]) != std::string_view::npos ? 1 : 0;
  for (const isa::Row& row : isa::rows()) {
    if (row.symbol.size() > longest && rest.starts_with(row.symbol)) longest = row.symbol.size();
  }
  return longest;
}

// "%r1": the percent sign of the mnemonic style carries no meaning.
bool is_register_mark(std::string_view rest) {
  return rest.size() > 2 && rest[0] == '%' && (rest[1] == 'r' || rest[1] == 'w') && is_digit(rest[2]);
}

std::optional<Token> number_token(std::string_view text) {
  Token token{Token::Kind::number, text, 0};
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const char* begin = text.data() + (hex ? 2 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), token.value, hex ? 16 : 10);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return token;
}

std::optional<Token> next_token(std::string_view rest) {
  if (is_digit(rest[0])) return number_token(rest.substr(0, word_length(rest)));
  if (const std::size_t length = sign_length(rest)) return Token{Token::Kind::sign, rest.substr(0, length), 0};
  if (is_letter(rest[0])) return Token{Token::Kind::word, rest.substr(0, word_length(rest)), 0};
  return {};
}

}  // namespace

std::optional<std::vector<Token>> tokenize(std::string_view line, char& bad) {
  std::vector<Token> tokens;
  for (std::size_t at = 0; at < line.size() && !begins_comment(line, at);) {
    if (is_space(line[at]) || is_register_mark(line.substr(at))) {
      ++at;
      continue;
    }
    const std::optional<Token> token = next_token(line.substr(at));
    if (!token) {
      bad = line[at];
      return {};
    }
    tokens.push_back(*token);
    at += token->text.size();
  }
  return tokens;
}

}  // namespace forager::program::assembler
