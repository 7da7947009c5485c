// SPDX-License-Identifier: Apache-2.0
//
// The meaning of instructions in C++, made from isa.def.
//
// Each ALU, jump and atomic row becomes a function template over the operand type T (std::uint64_t or
// std::uint32_t). The primitives below are the only hand-written semantics of the C++ side; the OpenCL prelude and
// the SystemVerilog package have twins under the same names (host/isa/generate.cc).
//
// Tested by: tests/isa/isa_semantics_test.cc, conformance vectors, the kernel as oracle.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace forager::isa::semantics {

template <class T>
concept Word = std::same_as<T, std::uint64_t> || std::same_as<T, std::uint32_t>;

template <Word T>
using Signed = std::make_signed_t<T>;

template <Word T>
[[nodiscard]] constexpr Signed<T> as_signed(T value) {
  return static_cast<Signed<T>>(value);
}

// Signed division truncates; by zero gives 0, the most negative number by -1 gives itself (RFC 9669 section 4.1).
template <Word T>
[[nodiscard]] constexpr T signed_div(T dst, T src) {
  if (src == 0) return 0;
  if (src == std::numeric_limits<T>::max()) return T{0} - dst;
  return static_cast<T>(as_signed(dst) / as_signed(src));
}

// Signed remainder has the dividend's sign; by zero gives the dividend, by -1 gives 0.
template <Word T>
[[nodiscard]] constexpr T signed_mod(T dst, T src) {
  if (src == 0) return dst;
  if (src == std::numeric_limits<T>::max()) return 0;
  return static_cast<T>(as_signed(dst) % as_signed(src));
}

template <Word T>
[[nodiscard]] constexpr T asr(T dst, T amount) {
  return static_cast<T>(as_signed(dst) >> amount);
}

template <Word T>
[[nodiscard]] constexpr bool sgt(T dst, T src) {
  return as_signed(dst) > as_signed(src);
}
template <Word T>
[[nodiscard]] constexpr bool sge(T dst, T src) {
  return as_signed(dst) >= as_signed(src);
}
template <Word T>
[[nodiscard]] constexpr bool slt(T dst, T src) {
  return as_signed(dst) < as_signed(src);
}
template <Word T>
[[nodiscard]] constexpr bool sle(T dst, T src) {
  return as_signed(dst) <= as_signed(src);
}

template <Word T>
[[nodiscard]] constexpr T sext8(T src) {
  return static_cast<T>(static_cast<Signed<T>>(static_cast<std::int8_t>(src)));
}
template <Word T>
[[nodiscard]] constexpr T sext16(T src) {
  return static_cast<T>(static_cast<Signed<T>>(static_cast<std::int16_t>(src)));
}
template <Word T>
[[nodiscard]] constexpr T sext32(T src) {
  return static_cast<T>(static_cast<Signed<T>>(static_cast<std::int32_t>(src)));
}

template <Word T>
[[nodiscard]] constexpr T bswap16(T dst) {
  return __builtin_bswap16(static_cast<std::uint16_t>(dst));
}
template <Word T>
[[nodiscard]] constexpr T bswap32(T dst) {
  return __builtin_bswap32(static_cast<std::uint32_t>(dst));
}
template <Word T>
[[nodiscard]] constexpr T bswap64(T dst) {
  return static_cast<T>(__builtin_bswap64(dst));
}

// One function per row; the unused parameter of rows that ignore dst or src is deliberate.
namespace row {

#define FORAGER_ALU(name, mnemonic, code, offset, group, symbol, expr)             \
  template <Word T>                                                                \
  [[nodiscard]] constexpr T name([[maybe_unused]] T dst, [[maybe_unused]] T src) { \
    [[maybe_unused]] constexpr T shift_mask = std::numeric_limits<T>::digits - 1;  \
    return expr;                                                                   \
  }
#define FORAGER_MOVSX(name, width, bits, expr) \
  [[nodiscard]] constexpr std::uint##width##_t name(std::uint##width##_t src) { return expr; }
#define FORAGER_UNARY(name, mnemonic, opcode, imm, width, expr) \
  [[nodiscard]] constexpr std::uint##width##_t name(std::uint##width##_t dst) { return expr; }
#define FORAGER_JUMP(name, mnemonic, code, symbol, expr) \
  template <Word T>                                      \
  [[nodiscard]] constexpr bool name(T dst, T src) {      \
    return expr;                                         \
  }
#define FORAGER_ATOMIC(name, mnemonic, imm, fetch, symbol, expr)                         \
  template <Word T>                                                                      \
  [[nodiscard]] constexpr T name([[maybe_unused]] T dst, T src, [[maybe_unused]] T r0) { \
    return expr;                                                                         \
  }
#include "isa/isa.def"

}  // namespace row
}  // namespace forager::isa::semantics
