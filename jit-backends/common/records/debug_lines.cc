// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/records/debug_lines.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "jit-backends/common/records/append.h"

namespace forager::jit {
namespace {

using Bytes = std::vector<std::byte>;

// 7.5: what of the standard's numbers is used.
enum : std::uint8_t {
  tag_compile_unit = 0x11,
  tag_subprogram = 0x2e,
  at_name = 0x03,
  at_stmt_list = 0x10,
  at_low_pc = 0x11,
  at_high_pc = 0x12,
  at_language = 0x13,
  at_external = 0x3f,
  form_addr = 0x01,
  form_data8 = 0x07,
  form_string = 0x08,
  form_data1 = 0x0b,
  form_sec_offset = 0x17,
  form_flag_present = 0x19,
  lang_c99 = 0x0c,
  lns_copy = 1,
  lns_advance_pc = 2,
  lns_advance_line = 3,
  lns_set_file = 4,
  lne_end_sequence = 1,
  lne_set_address = 2,
};

constexpr std::uint16_t kVersion = 4;
constexpr std::uint8_t kUnit = 1, kFunction = 2;  // abbreviations

void put(Bytes& out, std::initializer_list<std::uint8_t> bytes) {
  for (const std::uint8_t each : bytes) append(out, each);
}

// 7.6: seven bits a byte; the top bit says that more come.
void put_unsigned(Bytes& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) put(out, {static_cast<std::uint8_t>(value | 0x80)});
  put(out, {static_cast<std::uint8_t>(value)});
}

void put_signed(Bytes& out, std::int64_t value) {
  for (; value < -0x40 || value >= 0x40; value >>= 7) put(out, {static_cast<std::uint8_t>(value | 0x80)});
  put(out, {static_cast<std::uint8_t>(value & 0x7f)});
}

// Four bytes at `at` say how much follows them.
void set_length(Bytes& out, std::size_t at) {
  const auto length = static_cast<std::uint32_t>(out.size() - at - 4);
  std::memcpy(&out[at], &length, sizeof length);
}

Bytes abbreviations() {
  Bytes out;
  put(out, {kUnit, tag_compile_unit, 1, at_language, form_data1, at_name, form_string, at_low_pc, form_addr, at_high_pc,
            form_data8, at_stmt_list, form_sec_offset, 0, 0});
  put(out, {kFunction, tag_subprogram, 0, at_external, form_flag_present, at_name, form_string, at_low_pc, form_addr,
            at_high_pc, form_data8, 0, 0, 0});
  return out;
}

Bytes info(std::span<const CodeSymbol> symbols, std::string_view file, CodeRange code) {
  Bytes out;
  append(out, std::uint32_t{0});
  append(out, kVersion);
  append(out, std::uint32_t{0});  // its abbreviations are the first
  put(out, {sizeof(void*), kUnit, lang_c99});
  append_text(out, file);
  append(out, code);
  append(out, std::uint32_t{0});  // so is its line program
  for (const CodeSymbol& symbol : symbols) {
    put(out, {kFunction});
    append_text(out, symbol.name);
    append(out, CodeRange{code.begin + symbol.offset, symbol.size});
  }
  put(out, {0});
  set_length(out, 0);
  return out;
}

// 6.2: a machine that walks over addresses and says which line each belongs to.
class LineProgram {
 public:
  explicit LineProgram(std::span<const SourcePlace> places) : places_(places) {
    for (const SourcePlace& place : places) {
      if (number_of(place.line->file) > files_.size()) files_.push_back(place.line->file);
    }
  }

  Bytes make(CodeRange code) {
    append(out_, std::uint32_t{0});
    append(out_, kVersion);
    put_header();
    put(out_, {0, 9, lne_set_address});
    append(out_, code.begin);
    for (const SourcePlace& place : places_) put_place(place);
    advance(static_cast<std::uint32_t>(code.size));
    put(out_, {0, 1, lne_end_sequence});
    set_length(out_, 0);
    return std::move(out_);
  }

 private:
  // Files are counted from 1; one that is not known is next.
  [[nodiscard]] std::size_t number_of(const std::string& file) const {
    return static_cast<std::size_t>(std::ranges::find(files_, file) - files_.begin()) + 1;
  }

  void put_header() {
    const std::size_t at = out_.size();
    append(out_, std::uint32_t{0});
    // Instructions of 1 byte, 1 operation each, lines are statements; special opcodes (unused): base -1, range 1.
    put(out_, {1, 1, 1, 0xff, 1});
    put(out_, {13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1});  // how many arguments opcodes 1 to 12 have
    put(out_, {0});                                       // no directories
    for (const std::string& file : files_) {
      append_text(out_, file);
      put(out_, {0, 0, 0});  // directory, time, size
    }
    put(out_, {0});
    set_length(out_, at);
  }

  void put_place(const SourcePlace& place) {
    advance(place.offset);
    put(out_, {lns_set_file});
    put_unsigned(out_, number_of(place.line->file));
    put(out_, {lns_advance_line});
    put_signed(out_, std::int64_t{place.line->line} - line_);
    line_ = place.line->line;
    put(out_, {lns_copy});
  }

  void advance(std::uint32_t to) {
    put(out_, {lns_advance_pc});
    put_unsigned(out_, to - offset_);
    offset_ = to;
  }

  std::span<const SourcePlace> places_;
  std::vector<std::string> files_;
  Bytes out_;
  std::uint32_t offset_ = 0;
  std::int64_t line_ = 1;
};

}  // namespace

DebugSections debug_sections(std::span<const CodeSymbol> symbols, std::span<const SourcePlace> lines, CodeRange code) {
  return {.abbreviations = abbreviations(),
          .info = info(symbols, lines.front().line->file, code),
          .lines = LineProgram(lines).make(code)};
}

}  // namespace forager::jit
