// SPDX-License-Identifier: Apache-2.0
#include "cli/hex_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace forager::cli {
namespace {

constexpr std::size_t kLine = 16, kHalf = 8;

std::string line_of(std::size_t offset, std::string_view bytes) {
  std::string hex, text;
  for (std::size_t i = 0; i < kLine; ++i) {
    if (i != 0 && i % 2 == 0) hex += ' ';
    hex += i < bytes.size() ? fmt::format("{:02x}", static_cast<unsigned char>(bytes[i])) : "  ";
    if (i == kHalf) text += ' ';
    if (i < bytes.size()) text += std::isprint(static_cast<unsigned char>(bytes[i])) != 0 ? bytes[i] : '.';
  }
  return fmt::format("{:07x}\t{} | {}\n", offset, hex, text);
}

}  // namespace

std::string hex_view(std::string_view bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += kLine) out += line_of(at, bytes.substr(at, kLine));
  return out;
}

}  // namespace forager::cli
