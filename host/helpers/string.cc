// SPDX-License-Identifier: Apache-2.0
//
// Strings and numbers (kernel/bpf/helpers.c).
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "helpers/format.h"
#include "helpers/functions.h"
#include "helpers/varargs.h"

namespace forager::helpers {
namespace {

constexpr u64 kBaseMask = 0x1f;         // BPF_STRTOX_BASE_MASK
constexpr std::size_t kMaxDigits = 63;  // Linux looks at no more characters than these behind the sign

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_hex(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

struct Number {
  int consumed = 0;  // characters, or a negative errno
  bool negative = false;
  u64 magnitude = 0;
};

// The base that the prefix says, where 0 asks for it; takes "0x" off.
int resolve_base(int base, std::string_view& text) {
  const bool hex = text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == 'x' && is_hex(text[2]);
  if (base == 0) base = hex ? 16 : text.starts_with('0') ? 8 : 10;
  if (base == 16 && text.size() > 1 && text[0] == '0' && (text[1] | 0x20) == 'x') text.remove_prefix(2);
  return base;
}

Number parse(std::string_view text, u64 flags) {
  const int base = static_cast<int>(flags & kBaseMask);
  const bool known_base = base == 0 || base == 8 || base == 10 || base == 16;
  if (!known_base || (flags & ~kBaseMask) != 0) return {.consumed = -EINVAL};
  std::string_view rest = text;
  while (!rest.empty() && is_space(rest[0])) rest.remove_prefix(1);
  Number number{.negative = rest.starts_with('-')};
  if (number.negative) rest.remove_prefix(1);
  rest = rest.substr(0, kMaxDigits);
  const int used_base = resolve_base(base, rest);
  const auto end = std::from_chars(rest.data(), rest.data() + rest.size(), number.magnitude, used_base);
  if (end.ec == std::errc::result_out_of_range) return {.consumed = -ERANGE};
  if (end.ec != std::errc{}) return {.consumed = -EINVAL};
  number.consumed = static_cast<int>(end.ptr - text.data());
  return number;
}

std::string_view text_at(u64 address, u64 size) {
  return {pointer<const char>(address), static_cast<std::size_t>(size)};
}

u64 store(u64 to, u64 value, int returned) {
  std::memcpy(pointer<void>(to), &value, sizeof(value));
  return result(returned);
}

}  // namespace

u64 strtol(RunContext&, u64 text, u64 size, u64 flags, u64 to, u64) {
  const Number number = parse(text_at(text, size), flags);
  if (number.consumed < 0) return store(to, 0, number.consumed);
  constexpr u64 kSignBit = u64{1} << 63;
  if (number.magnitude > (number.negative ? kSignBit : kSignBit - 1)) return store(to, 0, -ERANGE);
  return store(to, number.negative ? 0 - number.magnitude : number.magnitude, number.consumed);
}

u64 strtoul(RunContext&, u64 text, u64 size, u64 flags, u64 to, u64) {
  const Number number = parse(text_at(text, size), flags);
  if (number.consumed < 0) return store(to, 0, number.consumed);
  if (number.negative) return store(to, 0, -EINVAL);
  return store(to, number.magnitude, number.consumed);
}

u64 strncmp(RunContext&, u64 a, u64 size, u64 b, u64, u64) {
  const int order = std::strncmp(pointer<const char>(a), pointer<const char>(b), static_cast<std::uint32_t>(size));
  return result((order > 0) - (order < 0));
}

// The length that the whole text has with its NUL, as snprintf counts.
u64 snprintf(RunContext& run, u64 to, u64 size, u64 text, u64 data, u64 data_size) {
  const auto arguments = Varargs::load(data, data_size);
  std::string line;
  if (!arguments || format(run, pointer<const char>(text), arguments->values(), line) != 0) return result(-EINVAL);
  const auto room = static_cast<std::uint32_t>(size);
  if (room > 0) {
    const std::size_t length = std::min<std::size_t>(line.size(), room - 1);
    std::memcpy(pointer<char>(to), line.data(), length);
    pointer<char>(to)[length] = '\0';
  }
  return line.size() + 1;
}

}  // namespace forager::helpers
