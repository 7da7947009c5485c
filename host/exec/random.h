// SPDX-License-Identifier: Apache-2.0
//
// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014): what bpf_get_prandom_u32
// gives, here for engines that compile it in place.
//
// Tested by: tests/unit/jit_inlined_test.cc (compiled code gives the same numbers).
#pragma once

#include <cstdint>

namespace forager::exec {

struct SplitMix {
  static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15, kFirst = 0xbf58476d1ce4e5b9, kSecond = 0x94d049bb133111eb;
  static constexpr unsigned kShifts[] = {30, 27, 31};
};

// The next number; the state steps on.
[[nodiscard]] constexpr std::uint32_t next_random(std::uint64_t& state) {
  std::uint64_t mixed = state += SplitMix::kStep;
  mixed = (mixed ^ mixed >> SplitMix::kShifts[0]) * SplitMix::kFirst;
  mixed = (mixed ^ mixed >> SplitMix::kShifts[1]) * SplitMix::kSecond;
  return static_cast<std::uint32_t>(mixed ^ mixed >> SplitMix::kShifts[2]);
}

}  // namespace forager::exec
