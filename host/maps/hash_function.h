// SPDX-License-Identifier: Apache-2.0
//
// The hash of hash maps: what a key's bucket is. Alone in this header because JITs inline it and devices repeat it.
//
// A key counts as 8-byte words (little-endian hosts), zero-padded, with its size. One step is the folded product of two
// words: the low half of the 128-bit product xor its high half, which a CPU has in one instruction and an FPGA in a few
// DSP blocks. Keys of up to 8 bytes take two steps, up to 16 also two, longer ones a step per 16 bytes and two to
// finish. The second step is what makes every input bit reach every output bit. Seeds are random for each map, so
// that traffic cannot be made to collide; BPF_F_ZERO_SEED maps use the zero seed.
//
// Tested by: tests/unit/maps_hash_function_test.cc (avalanche, distribution of structured keys).
#pragma once

#include <cstddef>
#include <cstdint>

namespace forager::maps {

struct HashSeed {
  std::uint64_t a = 0;
  std::uint64_t b = 0;
};

namespace hashing {

// Odd constants with about as many ones as zeros: fractional digits of the roots of 2, 3 and 5.
inline constexpr std::uint64_t kFirst = 0x6a09e667f3bcc909, kSecond = 0xbb67ae8584caa73b, kThird = 0x3c6ef372fe94f82b;

[[nodiscard]] constexpr std::uint64_t fold(std::uint64_t x, std::uint64_t y) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(x) * y;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

[[nodiscard]] constexpr std::uint64_t finish(std::uint64_t state, HashSeed seed) {
  return fold(state ^ seed.b, kThird);
}

}  // namespace hashing

// Keys of 1 to 8 bytes.
[[nodiscard]] constexpr std::uint64_t hash_1(std::uint64_t word, HashSeed seed) {
  return hashing::finish(hashing::fold(word ^ seed.a ^ hashing::kFirst, hashing::kSecond), seed);
}

// Keys of 9 to 16 bytes.
[[nodiscard]] constexpr std::uint64_t hash_2(std::uint64_t first, std::uint64_t second, HashSeed seed) {
  return hashing::finish(hashing::fold(first ^ seed.a ^ hashing::kFirst, second ^ seed.b ^ hashing::kSecond), seed);
}

// Keys of any size; word(i) is the ith word.
template <class Words>
[[nodiscard]] constexpr std::uint64_t hash_words(Words word, std::size_t size, HashSeed seed) {
  if (size <= 8) return hash_1(word(0), seed);
  if (size <= 16) return hash_2(word(0), word(1), seed);
  const std::size_t words = (size + 7) / 8;
  std::uint64_t state = size ^ seed.a;
  for (std::size_t i = 0; i < words; i += 2) {
    const std::uint64_t second = i + 1 < words ? word(i + 1) : 0;
    state = hashing::fold(word(i) ^ state ^ hashing::kFirst, second ^ seed.b ^ hashing::kSecond) + state;
  }
  return hashing::finish(state, seed);
}

}  // namespace forager::maps
