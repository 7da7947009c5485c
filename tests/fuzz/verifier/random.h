// SPDX-License-Identifier: Apache-2.0
//
// Random: a small generator of numbers whose every stream is told by two, a run's seed and a program's index, so that
// one program of millions is made again without those before it (splitmix64's mixing function).
//
// Tested by: tests/unit/fuzz_verifier_test.cc.
#pragma once

#include <cstdint>
#include <span>

namespace forager::fuzz {

class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t index) : state_(mix(seed) ^ mix(index + 0x5851f42d4c957f2d)) {}

  std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15); }
  // 0 .. limit-1; 0 if there is none.
  std::uint64_t below(std::uint64_t limit) { return limit == 0 ? 0 : next() % limit; }
  std::int64_t between(std::int64_t from, std::int64_t to) {
    return from + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(to - from) + 1));
  }
  // True in so many cases of a hundred.
  bool percent(unsigned cases) { return below(100) < cases; }
  bool coin() { return (next() & 1) != 0; }
  template <class T, std::size_t kSize>
  const T& pick(const T (&of)[kSize]) {
    return of[below(kSize)];
  }

 private:
  static std::uint64_t mix(std::uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
  }
  std::uint64_t state_;
};

// Numbers that ranges break on: around 0, the powers of two, the ends of 8 to 64 bits, and small ones.
inline std::uint64_t interesting(Random& random) {
  const auto power = std::uint64_t{1} << random.below(64);
  switch (random.below(10)) {
    case 0:
      return 0;
    case 1:
      return ~std::uint64_t{0};
    case 2:
      return power;
    case 3:
      return power - 1;
    case 4:
      return 0 - power;
    case 5:
      return std::uint64_t{1} << (random.coin() ? 31 : 32);
    case 6:
      return (std::uint64_t{1} << (random.coin() ? 31 : 32)) + random.below(3) - 1;
    case 7:
      return power + random.below(9) - 4;
    case 8:
      return random.next();
    default:
      return random.below(70);
  }
}

}  // namespace forager::fuzz
