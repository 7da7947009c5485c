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
#include <optional>
#include <vector>

#include "jit-backends/rtl/chip_table.h"

namespace forager::jit::rtl {

class ChipMemory {
 public:
  explicit ChipMemory(sim::Board& board) : board_(board) {}

  // The loaded program's. `first_region`: of map 0 (registers.def MapRegion). `maps` by index. `rows` for maps of all
  // programs.
  [[nodiscard]] Result<> load(const ChipPlan& plan, const exec::MapList& maps, std::uint32_t first_region,
                              const ChipPlace& place, std::uint32_t rows);
  // Those of a tail call's target: the number of its map 0, nothing if there is no room.
  [[nodiscard]] Result<std::optional<std::uint32_t>> add(const ChipPlan& plan, const exec::MapList& maps);
  [[nodiscard]] Result<> upload();
  [[nodiscard]] Result<> download();
  // PROG_ARRAYs anew: a program was loaded.
  [[nodiscard]] Result<> show_programs();
  // Of a map's number, with the program's first.
  [[nodiscard]] exec::Map* host(std::uint32_t number) const { return maps_[number].get(); }

 private:
  [[nodiscard]] Result<> forget_maps(std::uint32_t row);
  [[nodiscard]] Result<> enter(const ChipMap& map, const ChipPlace& place);
  void take(const ChipPlan& plan, const exec::MapList& maps);

  sim::Board& board_;
  std::vector<std::unique_ptr<ChipTable>> tables_;
  ChipPlace place_;        // of the next program
  std::uint32_t end_ = 0;  // behind the last row
  exec::MapList maps_;     // by number
};

}  // namespace forager::jit::rtl
