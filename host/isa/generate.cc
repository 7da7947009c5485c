// SPDX-License-Identifier: Apache-2.0
//
// forager_isa_gen WHAT: prints one generated text. Runs at build time; the results are compared with the files that
// are checked in.
#include "isa/generate.h"

#include <cctype>
#include <charconv>
#include <cstdio>
#include <iterator>

namespace forager::isa::generate {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// The value of "0xffff" or "63".
std::uint64_t number(std::string_view word) {
  const bool hex = word.starts_with("0x");
  if (hex) word.remove_prefix(2);
  std::uint64_t value = 0;
  std::from_chars(word.data(), word.data() + word.size(), value, hex ? 16 : 10);
  return value;
}

// One word of an expression; `calls` if a parenthesis follows.
std::string word_in(std::string_view word, bool calls, unsigned width, const Dialect& dialect) {
  if (std::isdigit(static_cast<unsigned char>(word[0])) != 0) return dialect.literal(number(word), width);
  if (word == "shift_mask") return dialect.literal(width - 1, width);
  if (!calls) return std::string(word);
  return std::string(dialect.call_prefix) + std::string(word) + "_" + std::to_string(width);
}

}  // namespace

std::string translate(const Row& row, const Dialect& dialect) {
  std::string out;
  const std::string_view text = row.semantics;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_word(text[end])) ++end;
    if (end == at) {
      out += text[at++];
      continue;
    }
    const bool calls = end < text.size() && text[end] == '(';
    out += word_in(text.substr(at, end - at), calls, row.width, dialect);
    at = end;
  }
  return out;
}

std::string function_name(const Row& row) {
  std::string name(row.name);
  if (row.form == Form::alu_reg && row.name.starts_with("movsx")) return name;
  if (row.form == Form::unary) return name;
  if (name.ends_with("_reg")) name.resize(name.size() - 4);
  return name.substr(0, name.size() - 2) + "_" + std::to_string(row.width);
}

bool has_function(const Row& row) {
  return row.form == Form::alu_reg || row.form == Form::unary || row.form == Form::jump_reg || row.form == Form::atomic;
}

bool is_condition(const Row& row) { return row.form == Form::jump_reg; }

}  // namespace forager::isa::generate

int main(int argc, char** argv) {
  using namespace forager::isa::generate;
  struct Product {
    std::string_view name;
    std::string (*make)();
  };
  constexpr Product kProducts[] = {{"sv-encodings", systemverilog_encodings},
                                   {"sv-semantics", systemverilog_semantics},
                                   {"sv-probe", systemverilog_probe},
                                   {"opencl", opencl_prelude},
                                   {"docs", markdown_tables}};
  for (const Product& product : kProducts) {
    if (argc == 2 && product.name == argv[1]) {
      const std::string text = product.make();
      return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0 ? 0 : 1;
    }
  }
  std::fputs("usage: forager_isa_gen sv-encodings|sv-semantics|sv-probe|opencl|docs\n", stderr);
  return 2;
}
