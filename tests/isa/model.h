// SPDX-License-Identifier: Apache-2.0
//
// A second opinion on what instructions compute, written from RFC 9669 and from nothing of ours: numbers are exact
// 128-bit integers, division is long division, logic goes bit by bit, bytes are swapped in an array. It shares no
// expression with isa.def, so that the two agree only where both are right.
//
// Instructions go by the name of their row in isa.def ("sdiv", "jsge", "be32", "atomic_fetch_add").
// Widths are 32 or 64 bits; a 32-bit result stands in the low half, the high half zero.
#pragma once

#include <cstdint>
#include <string_view>

namespace forager::isa::model {

[[nodiscard]] std::uint64_t alu(std::string_view name, unsigned width, std::uint64_t dst, std::uint64_t src);
[[nodiscard]] std::uint64_t unary(std::string_view name, std::uint64_t dst);
[[nodiscard]] std::uint64_t move_sign_extended(std::string_view name, std::uint64_t src);
[[nodiscard]] bool jump(std::string_view name, unsigned width, std::uint64_t dst, std::uint64_t src);
// The new value in memory.
[[nodiscard]] std::uint64_t atomic(std::string_view name, unsigned width, std::uint64_t memory, std::uint64_t src,
                                   std::uint64_t r0);
// A number of `bits` bits, sign-extended to 64.
[[nodiscard]] std::uint64_t sign_extend(std::uint64_t value, unsigned bits);

}  // namespace forager::isa::model
