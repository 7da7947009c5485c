// SPDX-License-Identifier: Apache-2.0
//
// The hash function: each bit of a key reaches each bit of the bucket number, and keys as networks have them spread.
#include "maps/hash_function.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <vector>

namespace forager::maps {
namespace {

using Key = std::array<std::uint64_t, 6>;

std::uint64_t hash(const Key& key, std::size_t size, HashSeed seed) {
  return hash_words([&](std::size_t i) { return key[i]; }, size, seed);
}

class HashFunction : public ::testing::TestWithParam<std::size_t> {};

// Flipping one input bit flips each of the low 32 output bits about half of the time, for a zero and a random seed.
TEST_P(HashFunction, EveryBitOfTheKeyReachesEveryBitOfTheBucket) {
  constexpr int kTrials = 2000;
  const std::size_t size = GetParam();
  std::mt19937_64 random(size);
  for (const HashSeed seed : {HashSeed{}, HashSeed{random(), random()}}) {
    for (std::size_t bit = 0; bit < size * 8; bit += size > 16 ? 7 : 1) {
      std::array<int, 32> flips{};
      for (int trial = 0; trial < kTrials; ++trial) {
        Key key{};
        for (std::size_t i = 0; i < size; ++i)
          reinterpret_cast<std::uint8_t*>(key.data())[i] = static_cast<std::uint8_t>(random());
        const std::uint64_t before = hash(key, size, seed);
        reinterpret_cast<std::uint8_t*>(key.data())[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        const std::uint64_t changed = before ^ hash(key, size, seed);
        for (unsigned out = 0; out < 32; ++out) flips[out] += static_cast<int>(changed >> out & 1);
      }
      for (unsigned out = 0; out < 32; ++out) {
        // Six standard deviations of a fair coin.
        EXPECT_NEAR(flips[out], kTrials / 2.0, 6 * std::sqrt(kTrials / 4.0))
            << "input bit " << bit << ", output bit " << out;
      }
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Sizes, HashFunction, ::testing::Values(4, 6, 8, 13, 16, 24, 40));

// Fills 2^12 buckets with as many keys and compares the sum of squares with that of a random function.
template <class MakeKey>
double unevenness(std::size_t size, HashSeed seed, MakeKey make_key) {
  constexpr std::size_t kBuckets = 1U << 12;
  std::vector<int> filled(kBuckets);
  for (std::uint64_t n = 0; n < kBuckets; ++n) ++filled[hash(make_key(n), size, seed) % kBuckets];
  double squares = 0;
  for (const int n : filled) squares += static_cast<double>(n) * n;
  return squares / (2.0 * kBuckets);  // 1 for a random function
}

TEST(HashFunction, StructuredKeysSpreadLikeRandomOnes) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 20; ++i) {
    const HashSeed seed = {random(), random()};
    EXPECT_LT(unevenness(4, seed, [](std::uint64_t n) { return Key{n}; }), 1.1) << "counting";
    EXPECT_LT(unevenness(4, seed, [](std::uint64_t n) { return Key{0x0a000000 | n << 8}; }), 1.1) << "subnets";
    EXPECT_LT(unevenness(8, seed, [](std::uint64_t n) { return Key{n << 40}; }), 1.1) << "high bytes only";
    EXPECT_LT(unevenness(8, seed, [](std::uint64_t n) { return Key{n << 52}; }), 1.1) << "top bits only";
    EXPECT_LT(unevenness(16, seed, [](std::uint64_t n) { return Key{0x0a00000100000000, n << 32 | 443}; }), 1.1)
        << "flows";
    EXPECT_LT(unevenness(16, seed, [](std::uint64_t n) { return Key{n, n}; }), 1.1) << "equal halves";
    EXPECT_LT(unevenness(40, seed, [](std::uint64_t n) { return Key{0, 0, n << 16}; }), 1.1) << "IPv6 flows";
  }
}

TEST(HashFunction, SeedsMatterAndAreReproducible) {
  const Key key = {1, 2, 3};
  for (const std::size_t size : {4U, 8U, 16U, 24U}) {
    EXPECT_EQ(hash(key, size, {1, 2}), hash(key, size, {1, 2}));
    EXPECT_NE(hash(key, size, {1, 2}), hash(key, size, {1, 3}));
    EXPECT_NE(hash(key, size, {1, 2}), hash(key, size, {2, 2}));
  }
}

}  // namespace
}  // namespace forager::maps
