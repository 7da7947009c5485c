// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores and atomics on host memory.
//
// A program races with the host and with other lanes on map values, by design; so every access is a relaxed atomic of
// its natural width, or of single bytes where it is not aligned. That is what the kernel's guarantees come to, and it
// is no data race to the compiler or to ThreadSanitizer.
//
// Tested by: tests/unit/interp_ops_test.cc, interp_atomic_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace forager::interp {

template <class T>
struct [[gnu::may_alias]] Cell {
  T value;
};

template <class T>
[[nodiscard]] bool is_aligned(const std::byte* at) {
  return reinterpret_cast<std::uintptr_t>(at) % sizeof(T) == 0;
}

template <class T>
[[nodiscard]] T* cell(std::byte* at) {
  return &reinterpret_cast<Cell<T>*>(at)->value;
}

template <class T>
[[nodiscard]] T load(std::byte* at) {
  if (is_aligned<T>(at)) return __atomic_load_n(cell<T>(at), __ATOMIC_RELAXED);
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<T>(T{__atomic_load_n(cell<std::uint8_t>(at + i), __ATOMIC_RELAXED)} << (8 * i));
  }
  return value;
}

template <class T>
void store(std::byte* at, T value) {
  if (is_aligned<T>(at)) return __atomic_store_n(cell<T>(at), value, __ATOMIC_RELAXED);
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    __atomic_store_n(cell<std::uint8_t>(at + i), static_cast<std::uint8_t>(value >> (8 * i)), __ATOMIC_RELAXED);
  }
}

// Replaces the aligned value at `at` by update(old) and returns old. Instructions that fetch are sequentially
// consistent, the others relaxed (RFC 9669 section 5.3, Linux memory model).
template <class T, bool kFetch, class Update>
T modify(std::byte* at, Update update) {
  constexpr int kOrder = kFetch ? __ATOMIC_SEQ_CST : __ATOMIC_RELAXED;
  T old = __atomic_load_n(cell<T>(at), __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(cell<T>(at), &old, update(old), false, kOrder, __ATOMIC_RELAXED)) {
  }
  return old;
}

}  // namespace forager::interp
