// SPDX-License-Identifier: Apache-2.0
#include "program/sha1.h"

#include <bit>
#include <vector>

namespace forager::program {
namespace {

constexpr std::size_t kBlockBytes = 64;
using State = std::array<std::uint32_t, 5>;
using Schedule = std::array<std::uint32_t, 80>;

// The message, a one bit, zeros, and the message's length in bits (section 5.1.1).
std::vector<std::byte> padded(std::span<const std::byte> message) {
  std::vector<std::byte> out(message.begin(), message.end());
  out.push_back(std::byte{0x80});
  while (out.size() % kBlockBytes != kBlockBytes - 8) out.push_back(std::byte{0});
  const std::uint64_t bits = std::uint64_t{message.size()} * 8;
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(bits >> shift));
  return out;
}

Schedule schedule_of(std::span<const std::byte> block) {
  Schedule words{};
  for (std::size_t i = 0; i < kBlockBytes; ++i)
    words[i / 4] = words[i / 4] << 8 | std::to_integer<std::uint32_t>(block[i]);
  for (std::size_t t = 16; t < words.size(); ++t) {
    words[t] = std::rotl(words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16], 1);
  }
  return words;
}

// The logical function and constant of step t (sections 4.1.1 and 4.2.1).
std::uint32_t mix(std::size_t t, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  switch (t / 20) {
    case 0:
      return ((b & c) | (~b & d)) + 0x5a827999;
    case 1:
      return (b ^ c ^ d) + 0x6ed9eba1;
    case 2:
      return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    default:
      return (b ^ c ^ d) + 0xca62c1d6;
  }
}

void absorb(State& state, std::span<const std::byte> block) {
  const Schedule words = schedule_of(block);
  auto [a, b, c, d, e] = state;
  for (std::size_t t = 0; t < words.size(); ++t) {
    const std::uint32_t next = std::rotl(a, 5) + mix(t, b, c, d) + e + words[t];
    e = d, d = c, c = std::rotl(b, 30), b = a, a = next;
  }
  const State round = {a, b, c, d, e};
  for (std::size_t i = 0; i < state.size(); ++i) state[i] += round[i];
}

}  // namespace

std::array<std::uint8_t, 20> sha1(std::span<const std::byte> message) {
  State state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  const std::vector<std::byte> text = padded(message);
  for (std::size_t at = 0; at < text.size(); at += kBlockBytes) absorb(state, std::span(text).subspan(at, kBlockBytes));
  std::array<std::uint8_t, 20> digest{};
  for (std::size_t i = 0; i < digest.size(); ++i)
    digest[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - i % 4 * 8));
  return digest;
}

}  // namespace forager::program
