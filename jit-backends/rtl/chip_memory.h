// SPDX-License-Identifier: Apache-2.0
//
// ChipMemory: the maps that stand in the device's memory while a batch runs (chip_maps.h, chip_table.h).
//
// Before a batch the host's go to the device; after it, what the device changed goes back. So the host sees a batch's
// effects when the batch is over. Maps have numbers: the loaded program's come first, as it numbers them, then those of
// programs that tail calls led to, or those that its maps of maps hold.
//
// Tested by: tests/unit/rtl_device_test.cc, rtl_maps_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "jit-backends/rtl/chip_table.h"

namespace forager::jit::rtl {

// Whether the maps that stand for a program's have as many entries as its plan has room for.
[[nodiscard]] bool are_as_planned(const ChipPlan& plan, const program::Program& program, const exec::MapList& maps);

class ChipMemory {
 public:
  explicit ChipMemory(sim::HostPort& board) : board_(board) {}

  // The loaded program's. `first_region`: of map 0 (registers.def MapRegion). `maps` by index, and `uses` of them.
  [[nodiscard]] Result<> load(const ChipPlan& plan, const exec::MapList& maps, std::span<const verifier::MapUse> uses,
                              std::uint32_t first_region, const ChipPlace& place);
  // Those of a tail call's target: the number of its map 0, nothing if there is no room.
  [[nodiscard]] Result<std::optional<std::uint32_t>> add(const ChipPlan& plan, const exec::MapList& maps);
  // Makes places for the maps that maps of maps hold now. False: they cannot all be on the chip.
  [[nodiscard]] Result<bool> take_inner();
  [[nodiscard]] Result<> upload();
  [[nodiscard]] Result<> download();
  // Of one of the host's maps, while a batch runs: what others hold is left as it is, for threads go on working there.
  [[nodiscard]] Result<> upload(const exec::Map& map);
  [[nodiscard]] Result<> download(const exec::Map& map);
  // PROG_ARRAYs anew: a program was loaded.
  [[nodiscard]] Result<> show_programs();

  struct Entry {
    std::optional<ChipMap> chip;  // none: the host's
    std::shared_ptr<exec::Map> host;
    std::unique_ptr<ChipTable> table{};  // of a map on the chip
    bool written = true;                 // by programs
  };
  // By number; null if there is none.
  [[nodiscard]] const Entry* find(std::uint64_t number) const {
    return number < maps_.size() ? &maps_[number] : nullptr;
  }
  // Of a map on the chip.
  [[nodiscard]] std::optional<std::uint32_t> number_of(const exec::Map* map) const;
  [[nodiscard]] std::uint32_t first_region() const { return first_region_; }

 private:
  [[nodiscard]] Result<> forget_maps(std::uint32_t row);
  [[nodiscard]] Result<> enter(const ChipMap& map, std::uint32_t number);
  [[nodiscard]] Result<bool> add_inner(const std::shared_ptr<exec::Map>& map);
  [[nodiscard]] exec::MapList inner_maps() const;
  void take(const ChipPlan& plan, const exec::MapList& maps);
  // Of those on the chip.
  [[nodiscard]] Result<> each(const std::function<Result<>(const Entry&)>& what);

  sim::HostPort& board_;
  std::vector<Entry> maps_;
  ChipPlace place_;  // of the next tables
  ChipRoom room_;
  std::uint32_t end_ = 0;  // behind the last row
  std::uint32_t first_region_ = 0;

  // Before there were inner maps, and those that there are.
  ChipPlace outer_place_;
  std::size_t outer_maps_ = 0;
  exec::MapList inner_;
};

}  // namespace forager::jit::rtl
