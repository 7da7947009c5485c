// SPDX-License-Identifier: Apache-2.0
//
// Format strings of bpf_snprintf, as Linux's bpf_bprintf_prepare reads them.
#pragma once

#include <optional>
#include <string_view>

#include "verifier/scalar.h"

namespace forager::verifier {

inline constexpr u64 kMaxFormatValues = 12;  // MAX_BPRINTF_VARARGS

// How many values the format takes, or nothing if it holds a conversion that there is not.
[[nodiscard]] std::optional<u64> format_values(std::string_view format);

}  // namespace forager::verifier
