// SPDX-License-Identifier: Apache-2.0
#include "helpers/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace forager::helpers {
namespace {

constexpr std::size_t kMaxString = 512;  // what one %s may print (MAX_BPRINTF_BIN_ARGS)
constexpr int kMaxWidth = 1024;          // no line is longer

// ASCII as the kernel's ctype has it, whatever the locale.
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_print(char c) { return c >= ' ' && c <= '~'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// What may follow %p and %s: the end, a space or punctuation.
bool ends_word(char c) { return c == '\0' || is_space(c) || (is_print(c) && !is_digit(c) && !is_letter(c)); }

class Formatter {
 public:
  Formatter(const exec::RunContext& run, std::string_view text, std::span<const std::uint64_t> arguments,
            std::string& out)
      : run_(run), text_(text), arguments_(arguments), out_(out) {}

  bool run() {
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (!is_print(c) && !is_space(c)) return false;
      if (c != '%') {
        out_ += c;
      } else if (peek() == '%') {
        out_ += text_[at_++];
      } else if (!conversion()) {
        return false;
      }
    }
    return true;
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  bool conversion() {
    if (used_ >= arguments_.size()) return false;
    argument_ = arguments_[used_++];
    flags_.assign(1, '%');
    while (peek() != '\0' && std::string_view("0+- ").contains(peek())) flags_ += text_[at_++];
    width_ = 0;
    while (is_digit(peek())) width_ = std::min(width_ * 10 + (text_[at_++] - '0'), kMaxWidth);
    if (take('p')) return pointer();
    if (take('s')) return string();
    if (take('c')) return print("*c", static_cast<int>(static_cast<unsigned char>(argument_)));
    return integer();
  }

  bool integer() {
    const bool wide = take('l');
    if (wide) take('l');
    const char kind = peek();
    ++at_;
    const auto narrow = static_cast<std::uint32_t>(argument_);
    if (kind == 'd' || kind == 'i') {
      return print("*lld", wide ? static_cast<long long>(argument_) : static_cast<std::int32_t>(narrow));
    }
    const unsigned long long value = wide ? argument_ : narrow;
    if (kind == 'u') return print("*llu", value);
    if (kind == 'x') return print("*llx", value);
    if (kind == 'X') return print("*llX", value);
    return false;
  }

  bool pointer() {
    if ((peek() == 'k' || peek() == 'u') && peek(1) == 's') {
      at_ += 2;
      return string();
    }
    if ((peek() == 'i' || peek() == 'I') && (peek(1) == '4' || peek(1) == '6')) return ip_address();
    if (peek() != '\0' && std::string_view("KxsSB").contains(peek())) {
      ++at_;
    } else if (!ends_word(peek())) {
      return false;
    }
    out_ += fmt::format("{:016x}", argument_);
    return true;
  }

  bool string() {
    if (!ends_word(peek())) return false;
    const std::string value = read_string();
    return print("*s", value.c_str());
  }

  // As much of a string as can be read; nothing where its address is no memory of the program's.
  std::string read_string() const {
    std::string value;
    std::byte byte{};
    while (value.size() < kMaxString && run_.memory != nullptr &&
           run_.memory->read(argument_ + value.size(), {&byte, 1})) {
      if (byte == std::byte{0}) return value;
      value += static_cast<char>(byte);
    }
    return value.size() == kMaxString ? value : std::string{};
  }

  bool ip_address() {
    const bool separated = peek() == 'I';
    const bool ipv6 = peek(1) == '6';
    at_ += 2;
    std::array<std::byte, 16> raw{};
    if (run_.memory == nullptr || !run_.memory->read(argument_, std::span(raw).first(ipv6 ? 16 : 4))) raw.fill({});
    std::array<unsigned, 16> octets{};
    std::ranges::transform(raw, octets.begin(), [](std::byte octet) { return std::to_integer<unsigned>(octet); });
    out_ += ipv6 ? ipv6_text(octets, separated ? ":" : "") : ipv4_text(octets, separated);
    return true;
  }
  static std::string ipv4_text(const std::array<unsigned, 16>& o, bool plain) {
    return plain ? fmt::format("{}.{}.{}.{}", o[0], o[1], o[2], o[3])
                 : fmt::format("{:03}.{:03}.{:03}.{:03}", o[0], o[1], o[2], o[3]);
  }
  static std::string ipv6_text(const std::array<unsigned, 16>& o, std::string_view separator) {
    std::array<std::string, 8> groups;
    for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = fmt::format("{:02x}{:02x}", o[2 * i], o[2 * i + 1]);
    return fmt::format("{}", fmt::join(groups, separator));
  }

  // The C library's printf agrees with the kernel's on flags and widths.
  template <class T>
  bool print(const char* conversion, T value) {
    std::array<char, kMaxWidth + kMaxString> buffer;
    const std::string spec = flags_ + conversion;
    const int length = std::snprintf(buffer.data(), buffer.size(), spec.c_str(), width_, value);
    out_.append(buffer.data(), static_cast<std::size_t>(std::max(length, 0)));
    return true;
  }

  const exec::RunContext& run_;
  std::string_view text_;
  std::span<const std::uint64_t> arguments_;
  std::string& out_;
  std::size_t at_ = 0;
  std::size_t used_ = 0;
  std::uint64_t argument_ = 0;
  std::string flags_;  // "%" and the flags of the conversion at hand
  int width_ = 0;
};

}  // namespace

int format(const exec::RunContext& run, std::string_view text, std::span<const std::uint64_t> arguments,
           std::string& out) {
  return Formatter(run, text, arguments, out).run() ? 0 : -EINVAL;
}

std::optional<std::string_view> text_of(std::span<const std::byte> memory) {
  const auto end = std::ranges::find(memory, std::byte{0});
  if (end == memory.end()) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(memory.data()), static_cast<std::size_t>(end - memory.begin()));
}

}  // namespace forager::helpers
