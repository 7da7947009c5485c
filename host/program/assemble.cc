// SPDX-License-Identifier: Apache-2.0
//
// The assembler's driver: lines, labels, slots. The grammar of a line is in kernel_style.cc and mnemonic_style.cc.
#include <cerrno>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "program/assembler.h"
#include "program/text.h"

namespace forager::program {
namespace {

using assembler::Cursor;
using assembler::Statement;
using assembler::Token;

// A use of a label, resolved when all labels are known.
struct Reference {
  std::size_t slot = 0;
  std::string label;
  std::size_t line = 0;
};

// Skips what a listing puts before an instruction: "  12: (bf) ".
std::string_view without_listing_prefix(std::string_view line) {
  std::string_view rest = line;
  const auto skip_while = [&rest](auto belongs) {
    while (!rest.empty() && belongs(rest.front())) rest.remove_prefix(1);
  };
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  skip_while(is_space);
  const std::size_t before = rest.size();
  skip_while([](char c) { return c >= '0' && c <= '9'; });
  if (rest.size() == before || !rest.starts_with(':')) return line;
  rest.remove_prefix(1);
  skip_while(is_space);
  if (rest.size() > 3 && rest[0] == '(' && rest[3] == ')') rest.remove_prefix(4);
  return rest;
}

class Assembler {
 public:
  explicit Assembler(const std::vector<std::string>& map_names) : map_names_(map_names) {}

  Result<std::vector<isa::Slot>> run(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      ++line_;
      if (auto done = assemble_line(text.substr(0, end)); !done) return std::unexpected(std::move(done.error()));
      text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    }
    if (auto done = resolve(); !done) return std::unexpected(std::move(done.error()));
    return std::move(slots_);
  }

 private:
  Result<> assemble_line(std::string_view line) {
    char bad = 0;
    auto tokens = assembler::tokenize(without_listing_prefix(line), bad);
    if (!tokens) return error(line_, fmt::format("unexpected character or number at {}", printable(bad)));
    Cursor cursor(std::move(*tokens), map_names_);
    while (cursor.peek().kind == Token::Kind::word && cursor.is(":", 1)) {
      if (auto done = define(cursor.word("a label")); !done) return done;
      cursor.expect(":");
    }
    return cursor.at_end() ? Result<>{} : assemble_statement(cursor);
  }

  static std::string printable(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7f ? fmt::format("'{}'", c) : fmt::format("byte {:#04x}", byte);
  }

  Result<> assemble_statement(Cursor& cursor) {
    std::optional<Statement> statement = assembler::parse_control(cursor);
    if (!statement) {
      statement = assembler::looks_like_kernel_style(cursor) ? assembler::parse_kernel_style(cursor)
                                                             : assembler::parse_mnemonic_style(cursor);
    }
    if (!cursor.failed() && !cursor.at_end()) cursor.fail("the end of the line");
    if (cursor.failed()) return error(line_, cursor.error());
    append(*statement);
    return {};
  }

  void append(const Statement& statement) {
    if (statement.slot.opcode == isa::row(isa::Op::exit).opcode) first_exit_ = std::min(first_exit_, slots_.size());
    if (!statement.label.empty()) references_.push_back({slots_.size(), std::string(statement.label), line_});
    slots_.push_back(statement.slot);
    if (statement.upper) {
      isa::Slot second;
      second.imm = static_cast<std::int32_t>(*statement.upper);
      slots_.push_back(second);
    }
  }

  Result<> define(std::string_view label) {
    if (labels_.emplace(label, slots_.size()).second) return {};
    return error(line_, fmt::format("label '{}' is defined twice", label));
  }

  Result<> resolve() {
    if (first_exit_ != kNever) labels_.emplace("exit", first_exit_);
    for (const Reference& reference : references_) {
      const auto found = labels_.find(reference.label);
      if (found == labels_.end())
        return error(reference.line, fmt::format("label '{}' is not defined", reference.label));
      const auto distance = static_cast<std::int64_t>(found->second) - static_cast<std::int64_t>(reference.slot) - 1;
      if (!set_distance(slots_[reference.slot], distance)) {
        return error(reference.line, fmt::format("label '{}' is too far away: {} slots", reference.label, distance));
      }
    }
    return {};
  }

  // Into the field that the instruction reads its distance from.
  static bool set_distance(isa::Slot& slot, std::int64_t distance) {
    const isa::Row* row = isa::find_row(slot);
    if (row != nullptr && isa::fields_of(row->form).offset) {
      slot.offset = static_cast<std::int16_t>(distance);
      return slot.offset == distance;
    }
    slot.imm = static_cast<std::int32_t>(distance);
    return slot.imm == distance;
  }

  static std::unexpected<Diagnostic> error(std::size_t line, std::string_view message) {
    return fail(ErrorKind::input, EINVAL, fmt::format("line {}: {}", line, message));
  }

  static constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

  const std::vector<std::string>& map_names_;
  std::vector<isa::Slot> slots_;
  std::map<std::string, std::size_t, std::less<>> labels_;
  std::vector<Reference> references_;
  std::size_t first_exit_ = kNever;
  std::size_t line_ = 0;
};

}  // namespace

Result<std::vector<isa::Slot>> assemble(std::string_view text, const std::vector<std::string>& map_names) {
  return Assembler(map_names).run(text);
}

}  // namespace forager::program
