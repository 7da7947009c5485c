// SPDX-License-Identifier: Apache-2.0
//
// Samples of one figure: its median, and how far its quarters lie apart.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace forager::bench {

struct Spread {
  double median = 0;
  double percent = 0;  // between the first and the third quarter, of the median
};

// Zeros of no samples.
[[nodiscard]] inline Spread spread_of(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::ranges::sort(samples);
  const auto at = [&](std::size_t quarter) { return samples[(samples.size() - 1) * quarter / 4]; };
  return {.median = at(2), .percent = at(2) > 0 ? 100 * (at(3) - at(1)) / at(2) : 0};
}

}  // namespace forager::bench
