// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <utility>

#include "cli/btf_value.h"

namespace forager::cli {
namespace {

// Input errors with these are about the command line itself, and about nothing that is not printed yet.
constexpr int kUsage = E2BIG + 10000, kTold = kUsage + 1;

bool parse_number(std::string_view text, std::uint64_t& value) {
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

}  // namespace

// Names and C lines come from files and need not be UTF-8, as JSON must.
void Cli::print(const nlohmann::ordered_json& document) const {
  if (captured != nullptr) {
    *captured = document;
    return;
  }
  print(document.dump(pretty ? 4 : -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void Cli::print(const std::string& text) const { std::fwrite(text.data(), 1, text.size(), stdout); }

void Cli::print_nothing() const {
  if (wants_json()) print(nlohmann::ordered_json(nullptr));
}

const std::string& Words::peek() const {
  static const std::string kNothing;
  return empty() ? kNothing : words_[at_];
}

Result<std::string> Words::next(const std::string& what) {
  if (empty()) return usage_error(what + " is missing");
  return words_[at_++];
}

bool Words::take(std::string_view word) {
  if (empty() || peek().empty() || !word.starts_with(peek())) return false;
  ++at_;
  return true;
}

Result<std::uint64_t> Words::number(const std::string& what) {
  auto word = next(what);
  if (!word) return std::unexpected(word.error());
  std::uint64_t value = 0;
  if (!parse_number(*word, value)) return usage_error(fmt::format("{} '{}' is no number", what, *word));
  return value;
}

Result<std::string> Words::bytes(const std::string& what, std::size_t count) {
  const bool hex = take("hex");
  std::string out;
  while (out.size() < count && !empty()) {
    std::uint64_t value = 0;
    const bool good = hex ? parse_hex(peek(), out) : parse_number(peek(), value) && value <= 0xff;
    if (!good) break;
    if (!hex) out.push_back(static_cast<char>(value));
    ++at_;
  }
  if (out.size() == count) return out;
  const std::string stop = empty() ? "the end" : fmt::format("'{}'", peek());
  return usage_error(fmt::format("{} has {} bytes before {}, {} wanted", what, out.size(), stop, count));
}

Result<> Words::end() const {
  if (empty()) return {};
  return usage_error(fmt::format("unexpected '{}'", peek()));
}

std::vector<std::string> Words::rest() {
  std::vector<std::string> out(words_.begin() + static_cast<std::ptrdiff_t>(at_), words_.end());
  at_ = words_.size();
  return out;
}

std::unexpected<Diagnostic> usage_error(std::string message) {
  return fail(ErrorKind::input, kUsage, std::move(message));
}

bool is_usage_error(const Diagnostic& diagnostic) { return diagnostic.error == kUsage; }

std::unexpected<Diagnostic> told_already() { return fail(ErrorKind::input, kTold, ""); }

bool was_told(const Diagnostic& diagnostic) { return diagnostic.error == kTold; }

}  // namespace forager::cli
