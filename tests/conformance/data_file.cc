// SPDX-License-Identifier: Apache-2.0
#include "data_file.h"

#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "exec/frame.h"
#include "program/text.h"

namespace forager::conformance {
namespace {

constexpr std::uintmax_t kMaxFileBytes = 64U << 20;
constexpr std::string_view kSpace = " \t\r\n\v\f";

std::unexpected<Diagnostic> bad(std::string message) { return fail(ErrorKind::input, EINVAL, std::move(message)); }

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// The first word of `rest`, which loses it; empty at the end.
std::string_view next_word(std::string_view& rest) {
  rest = trimmed(rest);
  const std::string_view word = rest.substr(0, rest.find_first_of(kSpace));
  rest.remove_prefix(word.size());
  return word;
}

Result<std::uint64_t> parse_number(std::string_view text) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const std::string_view digits = hex ? text.substr(2) : text;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return bad(fmt::format("'{}' is no 64-bit number", text));
  }
  return value;
}

enum class Section : std::uint8_t { none, assembly, raw, memory, result, error, skipped };

struct SectionName {
  std::string_view name;
  Section section;
};
constexpr SectionName kSections[] = {
    {"asm", Section::assembly},
    {"raw", Section::raw},
    {"mem", Section::memory},
    {"result", Section::result},
    {"error", Section::error},
    {"c", Section::skipped},
    {"no register offset", Section::skipped},
};

// The file as its sections' texts; line numbers stay right in the assembly, which is padded with empty lines.
class Parser {
 public:
  Result<Vector> run(std::string_view text, std::string name) {
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      ++line_;
      if (auto done = take_line(text.substr(0, end)); !done) return std::unexpected(std::move(done.error()));
      text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    }
    return finish(std::move(name));
  }

 private:
  std::string& text_of(Section section) { return texts_[static_cast<std::size_t>(section)]; }

  Result<> take_line(std::string_view line) {
    if (line.starts_with("--")) return enter(trimmed(line.substr(2)));
    if (section_ == Section::assembly) {
      std::string& text = text_of(section_);
      text.append(line_ - 1 - assembly_lines_, '\n').append(line);
      assembly_lines_ = line_ - 1;
    } else if (!line.starts_with('#')) {
      text_of(section_).append(line).append("\n");
    }
    return {};
  }

  Result<> enter(std::string_view name) {
    for (const SectionName& known : kSections) {
      if (known.name != name) continue;
      section_ = known.section;
      seen_[static_cast<std::size_t>(section_)] = true;
      return {};
    }
    return bad(fmt::format("line {}: unknown section '-- {}'", line_, name));
  }

  bool has(Section section) const { return seen_[static_cast<std::size_t>(section)]; }

  Result<Vector> finish(std::string name) {
    Vector out;
    out.name = std::move(name);
    auto slots = has(Section::raw) ? raw_slots() : program::assemble(text_of(Section::assembly));
    if (!slots) return std::unexpected(std::move(slots.error()));
    if (slots->empty()) return bad("no program: a section '-- asm' or '-- raw' is needed");
    out.slots = std::move(*slots);
    auto memory = parse_hex_bytes(text_of(Section::memory));
    if (!memory) return std::unexpected(std::move(memory.error()));
    out.memory = std::move(*memory);
    if (has(Section::result)) {
      auto result = parse_number(trimmed(text_of(Section::result)));
      if (!result) return std::unexpected(std::move(result.error()));
      out.result = *result;
    } else if (!has(Section::error)) {
      return bad("nothing is expected: a section '-- result' or '-- error' is needed");
    }
    return out;
  }

  Result<std::vector<isa::Slot>> raw_slots() {
    std::vector<isa::Slot> slots;
    std::string_view rest = text_of(Section::raw);
    for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
      const auto bits = parse_number(word);
      if (!bits) return std::unexpected(bits.error());
      slots.push_back(std::bit_cast<isa::Slot>(*bits));
    }
    return slots;
  }

  std::array<std::string, 7> texts_;
  std::array<bool, 7> seen_{};
  Section section_ = Section::none;
  std::size_t line_ = 0;
  std::size_t assembly_lines_ = 0;  // line breaks written so far
};

Result<std::string> read_file(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return bad(error.message());
  if (size > kMaxFileBytes) return bad(fmt::format("too large for a vector: {} bytes, limit {}", size, kMaxFileBytes));
  std::ifstream stream(path, std::ios::binary);
  std::string text(size, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(size));
  if (stream.gcount() != static_cast<std::streamsize>(size)) return bad("cannot be read");
  return text;
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// One token of parse_hex_bytes; false if it is none.
bool append_bytes(std::string_view word, std::vector<std::byte>& out) {
  if (word.size() % 2 != 0 && word.size() != 1) return false;
  for (std::size_t i = 0; i < word.size(); i += 2) {
    const int high = word.size() == 1 ? 0 : digit(word[i]);
    const int low = digit(word[word.size() == 1 ? i : i + 1]);
    if (high < 0 || low < 0) return false;
    out.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return true;
}

}  // namespace

Result<std::vector<std::byte>> parse_hex_bytes(std::string_view text) {
  std::vector<std::byte> out;
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    if (!append_bytes(word, out)) return bad(fmt::format("'{}' is not bytes in hex", word.substr(0, 32)));
  }
  return out;
}

Result<std::vector<isa::Slot>> slots_from_bytes(std::span<const std::byte> bytes) {
  if (bytes.size() % sizeof(isa::Slot) != 0) {
    return bad(fmt::format("{} bytes are no whole number of 8-byte instructions", bytes.size()));
  }
  std::vector<isa::Slot> slots(bytes.size() / sizeof(isa::Slot));
  if (!slots.empty()) std::memcpy(slots.data(), bytes.data(), bytes.size());
  return slots;
}

Result<Vector> parse_data_file(std::string_view text, std::string name) {
  auto vector = Parser().run(text, std::move(name));
  if (vector && vector->memory.size() > exec::kMaxPacketBytes) {
    return bad(fmt::format("memory of {} bytes, limit {}", vector->memory.size(), exec::kMaxPacketBytes));
  }
  return vector;
}

Result<Vector> read_data_file(const std::filesystem::path& path) {
  auto text = read_file(path);
  auto vector = text ? parse_data_file(*text, path.stem().string()) : std::unexpected(std::move(text.error()));
  if (!vector) vector.error().message = path.string() + ": " + vector.error().message;
  return vector;
}

}  // namespace forager::conformance
