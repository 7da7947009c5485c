// SPDX-License-Identifier: Apache-2.0
//
// Operands at which implementations go wrong: both ends of every width, shift amounts around the register's size, and
// a few values with all bytes different.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace forager::isa::model {

inline constexpr std::array<std::uint64_t, 26> kOperands = {0,
                                                            1,
                                                            2,
                                                            7,
                                                            31,
                                                            32,
                                                            33,
                                                            63,
                                                            64,
                                                            0x7f,
                                                            0x80,
                                                            0xff,
                                                            0x7fff,
                                                            0x8000,
                                                            0xffff,
                                                            0x7fffffff,
                                                            0x80000000,
                                                            0xffffffff,
                                                            0x100000000,
                                                            0x1234567887654321,
                                                            0x8182838485868788,
                                                            0x7fffffffffffffff,
                                                            0x8000000000000000,
                                                            0xffffffff80000000,
                                                            0xfffffffffffffff9,
                                                            0xffffffffffffffff};

// Those that an instruction can hold as its immediate: 32 bits, sign-extended.
[[nodiscard]] inline std::vector<std::int32_t> immediates() {
  std::vector<std::int32_t> out;
  for (const std::uint64_t value : kOperands) {
    const auto imm = static_cast<std::int32_t>(value);
    if (static_cast<std::uint64_t>(std::int64_t{imm}) == value) out.push_back(imm);
  }
  return out;
}

}  // namespace forager::isa::model
