// SPDX-License-Identifier: Apache-2.0
//
// divergences.def as a question.
#pragma once

#include <cstdint>
#include <string_view>

namespace forager::fuzz {

enum class DivergenceKind : std::uint8_t { stricter, looser };

// Why it is right that the verdicts on a program differ where the one that refuses says this; empty if nobody said so.
[[nodiscard]] std::string_view reason_for(DivergenceKind kind, std::string_view refusal, std::string_view program);

}  // namespace forager::fuzz
