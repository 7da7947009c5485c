// SPDX-License-Identifier: Apache-2.0
//
// SHA-1 (FIPS 180-4), for program tags only: nothing here relies on it being hard to break. Written out because a tag
// is not worth a cryptography library as a dependency.
//
// Tested by: tests/unit/program_tag_test.cc (FIPS vectors).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace forager::program {

[[nodiscard]] std::array<std::uint8_t, 20> sha1(std::span<const std::byte> message);

}  // namespace forager::program
