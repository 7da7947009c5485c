// SPDX-License-Identifier: Apache-2.0
//
// Variable arguments as bpf_trace_vprintk and bpf_snprintf take them: an array of at most 12 64-bit values in the
// program's memory (kernel/bpf/helpers.c MAX_BPRINTF_VARARGS).
//
// Tested by: tests/unit/helpers_test.cc.
#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <span>

#include "helpers/functions.h"

namespace forager::helpers {

class Varargs {
 public:
  // Empty if the size is no multiple of 8, or over the limit.
  [[nodiscard]] static std::optional<Varargs> load(u64 data, u64 size) {
    const auto length = static_cast<std::uint32_t>(size);
    Varargs arguments;
    if (length % sizeof(u64) != 0 || length > sizeof(arguments.values_) || (length != 0 && data == 0)) return {};
    if (length != 0) std::memcpy(arguments.values_.data(), pointer<void>(data), length);
    arguments.count_ = length / sizeof(u64);
    return arguments;
  }
  [[nodiscard]] std::span<const u64> values() const { return std::span(values_).first(count_); }

 private:
  std::array<u64, 12> values_{};
  std::size_t count_ = 0;
};

}  // namespace forager::helpers
