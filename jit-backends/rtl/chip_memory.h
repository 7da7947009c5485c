// SPDX-License-Identifier: Apache-2.0
//
// ChipMemory: maps whose values stand in the device's memory while a batch runs (chip_maps.h).
//
// Before a batch the host's values go to the device; after it, each word that the device changed goes back. So the host
// sees a batch's effects when the batch is over, and what it wrote meanwhile stays, word by word, where the device did
// not write.
//
// Tested by: tests/unit/rtl_device_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "exec/map.h"
#include "jit-backends/rtl/chip_maps.h"
#include "sim/board/board.h"

namespace forager::jit::rtl {

class ChipMemory {
 public:
  explicit ChipMemory(sim::Board& board) : board_(board) {}

  // `first_region`: of map 0 (registers.def MapRegion); `row`: the first for maps. `maps` by index. Threads 0 to
  // `threads` - 1 are CPUs from `cpu` on. Errors: limit, if the device has fewer `rows` than the plan takes.
  [[nodiscard]] Result<> load(std::span<const ChipMap> plan, std::span<const std::shared_ptr<exec::Map>> maps,
                              std::uint32_t first_region, std::uint32_t row, std::uint32_t rows, unsigned cpu,
                              unsigned threads);
  [[nodiscard]] Result<> upload();
  [[nodiscard]] Result<> download();

 private:
  // A map's values for one thread, or all of them.
  struct Copy {
    std::vector<std::byte*> values;  // in the host's memory
    std::uint32_t stride = 0;
    std::uint32_t row = 0;
    std::vector<std::byte> device;  // as the device has it
  };

  [[nodiscard]] Result<> clear_table();
  [[nodiscard]] Result<> enter(std::uint32_t thread, const ChipMap& map, std::uint32_t row, std::uint32_t bytes);

  sim::Board& board_;
  std::vector<Copy> copies_;
};

}  // namespace forager::jit::rtl
