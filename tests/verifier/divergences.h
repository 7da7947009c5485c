// SPDX-License-Identifier: Apache-2.0
//
// divergences.def as data.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace forager::verifier::golden {

enum class DivergenceKind : std::uint8_t { stricter, looser, kernel_version, error };

struct Divergence {
  std::string_view file, name;
  DivergenceKind kind;
  std::string_view reason;
};

[[nodiscard]] std::span<const Divergence> divergences();
[[nodiscard]] const Divergence* find_divergence(std::string_view file, std::string_view name);

}  // namespace forager::verifier::golden
