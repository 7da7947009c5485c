// SPDX-License-Identifier: Apache-2.0
//
// What a device says of itself: how much it has of everything, and where that stands in its data memory.
//
// Tested by: tests/unit/rtl_liar_test.cc.
#pragma once

#include <cstdint>

#include "jit-backends/rtl/chip_maps.h"
#include "sim/board/board.h"

namespace forager::jit::rtl {

struct Geometry {
  std::uint32_t threads = 0, slots = 0, stack_row = 0, scratch_row = 0, map_row = 0, map_rows = 0, bundles = 0;

  [[nodiscard]] ChipRoom room() const { return {.rows = map_rows, .threads = threads, .bundles = bundles}; }
};

// Errors: input if there is no such device, or it cannot be as it says; the board's.
[[nodiscard]] Result<Geometry> geometry_of(sim::Board& board);

}  // namespace forager::jit::rtl
