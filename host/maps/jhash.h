// SPDX-License-Identifier: Apache-2.0
//
// jhash: Bob Jenkins' lookup3, as include/linux/jhash.h has it, on little-endian hosts. For the types whose hash a user
// sees: the ids of stacks, and which values a Bloom filter with BPF_F_ZERO_SEED confuses. Tables of keys use
// hash_function.h, which is faster.
//
// Tested by: tests/unit/maps_jhash_test.cc (published vectors).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace forager::maps {

// Three words of state, between which every input bit spreads.
struct JhashState {
  std::uint32_t a, b, c;

  void add(const std::byte* bytes, std::size_t size) {
    std::uint32_t words[3] = {};
    std::memcpy(words, bytes, size);
    a += words[0];
    b += words[1];
    c += words[2];
  }
  void mix() {
    mix_one(a, b, c, 4);
    mix_one(b, c, a, 6);
    mix_one(c, a, b, 8);
    mix_one(a, b, c, 16);
    mix_one(b, c, a, 19);
    mix_one(c, a, b, 4);
  }
  void finish() {
    finish_one(c, b, 14);
    finish_one(a, c, 11);
    finish_one(b, a, 25);
    finish_one(c, b, 16);
    finish_one(a, c, 4);
    finish_one(b, a, 14);
    finish_one(c, b, 24);
  }

 private:
  static void mix_one(std::uint32_t& x, std::uint32_t y, std::uint32_t& z, int turn) {
    x = (x - z) ^ std::rotl(z, turn);
    z += y;
  }
  static void finish_one(std::uint32_t& x, std::uint32_t y, int turn) { x = (x ^ y) - std::rotl(y, turn); }
};

// `size` is at least 1.
[[nodiscard]] inline std::uint32_t jhash(const void* data, std::size_t size, std::uint32_t seed) {
  constexpr std::size_t kStep = 12;
  const std::uint32_t start = 0xdeadbeef + static_cast<std::uint32_t>(size) + seed;
  const auto* bytes = static_cast<const std::byte*>(data);
  JhashState state = {start, start, start};
  for (; size > kStep; bytes += kStep, size -= kStep) {
    state.add(bytes, kStep);
    state.mix();
  }
  state.add(bytes, size);
  state.finish();
  return state.c;
}

}  // namespace forager::maps
