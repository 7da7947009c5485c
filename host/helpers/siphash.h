// SPDX-License-Identifier: Apache-2.0
//
// SipHash-2-4 of whole 64-bit words (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012). Linux hashes its
// SYN cookies by it.
//
// Tested by: tests/unit/helpers_sockets_test.cc, on the paper's vectors.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace forager::helpers {

struct SipKey {
  std::uint64_t low = 0, high = 0;
};

class SipHash {
 public:
  explicit constexpr SipHash(SipKey key)
      : v_{key.low ^ 0x736f6d6570736575, key.high ^ 0x646f72616e646f6d, key.low ^ 0x6c7967656e657261,
           key.high ^ 0x7465646279746573} {}

  constexpr void word(std::uint64_t value) {
    v_[3] ^= value;
    rounds(2);
    v_[0] ^= value;
  }
  // `last` is what is left of the message, below 8 bytes, with the message's size in the upper byte.
  [[nodiscard]] constexpr std::uint64_t finish(std::uint64_t last) {
    word(last);
    v_[2] ^= 0xff;
    rounds(4);
    return v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
  }

 private:
  constexpr void rounds(int count) {
    for (; count > 0; --count) {
      half_round(0, 1, 13, 32);
      half_round(2, 3, 16, 0);
      half_round(0, 3, 21, 0);
      half_round(2, 1, 17, 32);
    }
  }
  constexpr void half_round(std::size_t a, std::size_t b, int turn, int turn_sum) {
    v_[a] += v_[b];
    v_[b] = std::rotl(v_[b], turn) ^ v_[a];
    v_[a] = std::rotl(v_[a], turn_sum);
  }

  std::array<std::uint64_t, 4> v_;
};

[[nodiscard]] constexpr std::uint64_t siphash(SipKey key, std::span<const std::uint64_t> words) {
  SipHash hash(key);
  for (const std::uint64_t word : words) hash.word(word);
  return hash.finish((words.size() * 8) << 56);
}

}  // namespace forager::helpers
