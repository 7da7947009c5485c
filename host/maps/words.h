// SPDX-License-Identifier: Apache-2.0
//
// How maps touch memory that other threads touch too.
//
// Keys and values stand in storage rounded up to 8 bytes and are read and written one atomic word at a time, so that a
// copy racing with another is stale at worst, never undefined. Whether a copy is *whole* is for the caller to prove, by
// a version it reads before and after. That works without fences because stores here release and loads acquire: who
// sees a new word also sees the version that was changed before it (and ThreadSanitizer, which knows no fences,
// agrees).
//
// Bytes past the size of a key or value, up to the next word, are zero in storage.
//
// Tested by: tests/unit/maps_*_test.cc, maps_concurrency_test.cc under ThreadSanitizer.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace forager::maps {

using Word = std::uint64_t;
inline constexpr std::size_t kWordBytes = sizeof(Word);

[[nodiscard]] constexpr std::uint64_t round_up_words(std::uint64_t bytes) {
  return (bytes + kWordBytes - 1) & ~std::uint64_t{kWordBytes - 1};
}

// Storage holds values of any type; only this alias may look at it as words.
using StoredWord [[gnu::may_alias]] = Word;

[[nodiscard]] inline Word load_word(const std::byte* at) {
  return __atomic_load_n(reinterpret_cast<const StoredWord*>(at), __ATOMIC_ACQUIRE);
}
inline void store_word(std::byte* at, Word word) {
  __atomic_store_n(reinterpret_cast<StoredWord*>(at), word, __ATOMIC_RELEASE);
}

// Word `i` of `size` caller-owned bytes of any alignment, zero-padded.
[[nodiscard]] inline Word word_of(const void* bytes, std::size_t size, std::size_t i) {
  const std::size_t offset = i * kWordBytes;
  const auto* from = static_cast<const std::byte*>(bytes) + offset;
  Word word = 0;
  if (size - offset >= kWordBytes) {
    std::memcpy(&word, from, kWordBytes);
  } else {
    std::memcpy(&word, from, size - offset);
  }
  return word;
}

inline void copy_in(std::byte* storage, const void* from, std::size_t size) {
  for (std::size_t i = 0; i * kWordBytes < size; ++i) store_word(storage + i * kWordBytes, word_of(from, size, i));
}

inline void copy_out(void* to, const std::byte* storage, std::size_t size) {
  auto* out = static_cast<std::byte*>(to);
  for (std::size_t offset = 0; offset < size; offset += kWordBytes) {
    const Word word = load_word(storage + offset);
    std::memcpy(out + offset, &word, size - offset < kWordBytes ? size - offset : kWordBytes);
  }
}

inline void clear(std::byte* storage, std::size_t size) {
  for (std::size_t offset = 0; offset < size; offset += kWordBytes) store_word(storage + offset, 0);
}

}  // namespace forager::maps
