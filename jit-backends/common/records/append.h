// SPDX-License-Identifier: Apache-2.0
//
// Structures of files that tools read, laid end to end, in the machine's byte order.
//
// Tested by: tests/unit/jit_profilers_test.cc.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace forager::jit {

inline void append_bytes(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const std::size_t at = out.size();
  out.resize(at + bytes.size());
  std::memcpy(out.data() + at, bytes.data(), bytes.size());
}

// T has no padding.
template <class T>
  requires std::is_trivially_copyable_v<T>
void append(std::vector<std::byte>& out, const T& value) {
  append_bytes(out, std::as_bytes(std::span(&value, 1)));
}

// With a zero behind it. A zero inside would end it too early.
inline void append_text(std::vector<std::byte>& out, std::string_view text) {
  append_bytes(out, std::as_bytes(std::span(text.substr(0, text.find('\0')))));
  out.push_back(std::byte{0});
}

}  // namespace forager::jit
