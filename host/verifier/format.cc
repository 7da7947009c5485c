// SPDX-License-Identifier: Apache-2.0
#include "verifier/format.h"

#include <algorithm>

namespace forager::verifier {
namespace {

constexpr std::string_view kFlags = "0+- #", kDigits = "0123456789", kIntegers = "diuxX", kPointers = "KxsSB";

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  // Goes behind the next conversion sign; false if there is none.
  bool next() {
    const std::size_t at = rest_.find('%');
    if (at == std::string_view::npos) return false;
    rest_.remove_prefix(at + 1);
    return true;
  }
  void skip(std::string_view of) { rest_.remove_prefix(std::min(rest_.find_first_not_of(of), rest_.size())); }
  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  bool take_one(std::string_view of) {
    if (rest_.empty() || !of.contains(rest_.front())) return false;
    rest_.remove_prefix(1);
    return true;
  }
  [[nodiscard]] bool at_word() const {
    const char letter = rest_.empty() ? ' ' : static_cast<char>(rest_.front() | 0x20);
    return letter >= 'a' && letter <= 'z';
  }

 private:
  std::string_view rest_;
};

// "%p" alone, or with what it points to.
bool take_pointer(Reader& reader) {
  if (reader.take("ks") || reader.take("us") || reader.take_one(kPointers)) return true;
  if (reader.take("i4") || reader.take("I4") || reader.take("i6") || reader.take("I6")) return true;
  return !reader.at_word();
}

bool take_conversion(Reader& reader) {
  reader.skip(kFlags);
  reader.skip(kDigits);
  if (reader.take("p")) return take_pointer(reader);
  if (reader.take("s") || reader.take("c")) return true;
  if (reader.take("l")) reader.take("l");
  return reader.take_one(kIntegers);
}

}  // namespace

std::optional<u64> format_values(std::string_view format) {
  Reader reader(format);
  u64 values = 0;
  while (reader.next()) {
    if (reader.take("%")) continue;
    if (!take_conversion(reader)) return std::nullopt;
    ++values;
  }
  return values;
}

}  // namespace forager::verifier
