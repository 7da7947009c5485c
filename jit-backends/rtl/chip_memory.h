// SPDX-License-Identifier: Apache-2.0
//
// ChipMemory: the maps that stand in the device's memory while a batch runs (chip_maps.h, chip_table.h).
//
// Before a batch the host's go to the device; after it, what the device changed goes back. So the host sees a batch's
// effects when the batch is over.
//
// Tested by: tests/unit/rtl_device_test.cc, rtl_maps_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "jit-backends/rtl/chip_table.h"

namespace forager::jit::rtl {

class ChipMemory {
 public:
  explicit ChipMemory(sim::Board& board) : board_(board) {}

  // `first_region`: of map 0 (registers.def MapRegion). `maps` by index.
  [[nodiscard]] Result<> load(std::span<const ChipMap> plan, std::span<const std::shared_ptr<exec::Map>> maps,
                              std::uint32_t first_region, const ChipPlace& place);
  [[nodiscard]] Result<> upload();
  [[nodiscard]] Result<> download();

 private:
  [[nodiscard]] Result<> forget_maps(std::uint32_t row);
  [[nodiscard]] Result<> enter(const ChipMap& map, const ChipPlace& place);

  sim::Board& board_;
  std::vector<std::unique_ptr<ChipTable>> tables_;
};

}  // namespace forager::jit::rtl
