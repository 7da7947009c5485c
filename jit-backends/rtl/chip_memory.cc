// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/chip_memory.h"

namespace forager::jit::rtl {
namespace {

constexpr std::uint32_t kMostThreads = 16;

Result<> write(sim::Board& board, CoreRegister which, std::uint32_t value) {
  return board.write(offset_of(which), value);
}

Result<> enter_table(sim::Board& board, std::uint32_t thread, std::uint32_t map, std::uint32_t row,
                     std::uint32_t bytes) {
  Result<> done = write(board, CoreRegister::MapIndex, thread * kMapsInTable + map);
  if (done) done = write(board, CoreRegister::MapRow, row);
  if (done) done = write(board, CoreRegister::MapBytes, bytes);
  return done;
}

}  // namespace

Result<> ChipMemory::load(const ChipPlan& plan, const exec::MapList& maps, std::uint32_t first_region,
                          const ChipPlace& place, std::uint32_t rows) {
  tables_.clear();
  maps_.clear();
  place_ = place;
  end_ = place.row + rows;
  Result<> done = forget_maps(place.descriptors);
  if (done) done = write(board_, CoreRegister::MapRegion, first_region);
  if (done) done = write(board_, CoreRegister::MapSeed, place.seed);
  for (const ChipMap& map : plan.maps) {
    if (done) done = enter(map, place);
  }
  take(plan, maps);
  return done;
}

Result<std::optional<std::uint32_t>> ChipMemory::add(const ChipPlan& plan, const exec::MapList& maps) {
  if (maps_.size() + maps.size() > kMapsInTable || place_.row + plan.rows() > end_) return std::nullopt;
  const std::size_t first = tables_.size();
  const auto number = static_cast<std::uint32_t>(maps_.size());
  take(plan, maps);
  for (std::size_t i = first; i < tables_.size(); ++i) {
    if (auto put = tables_[i]->upload(board_); !put) return std::unexpected(put.error());
  }
  return number;
}

// The next program's stand behind.
void ChipMemory::take(const ChipPlan& plan, const exec::MapList& maps) {
  for (const ChipMap& map : plan.maps) tables_.push_back(make_chip_table(map, *maps[map.index], place_));
  maps_.insert(maps_.end(), maps.begin(), maps.end());
  place_.row += plan.rows();
  place_.descriptors += static_cast<std::uint32_t>(maps.size());
}

// Tables are the whole device's: entries of an earlier program are forgotten. A device with fewer threads has them
// several times.
Result<> ChipMemory::forget_maps(std::uint32_t row) {
  const std::vector<std::byte> none(kMapsInTable * sim::kRowBytes);
  Result<> done = board_.write_rows(row, none);
  for (std::uint32_t i = 0; done && i < kMostThreads * kMapsInTable; ++i) {
    done = write(board_, CoreRegister::MapIndex, i);
    if (done) done = write(board_, CoreRegister::MapBytes, 0);
  }
  return done;
}

// Where pointers to its values lead, for each thread.
Result<> ChipMemory::enter(const ChipMap& map, const ChipPlace& place) {
  constexpr std::uint32_t kRow = 64;
  Result<> done;
  for (std::uint32_t thread = 0; done && thread < place.threads && map.value_rows != 0; ++thread) {
    const std::uint32_t row = place.row + map.value_row + (map.per_cpu ? thread * map.value_rows : 0);
    done = enter_table(board_, thread, map.index, row, map.value_rows * kRow);
  }
  return done;
}

Result<> ChipMemory::upload() {
  Result<> done;
  for (const auto& table : tables_) {
    if (done) done = table->upload(board_);
  }
  return done;
}

Result<> ChipMemory::show_programs() {
  Result<> done;
  for (const auto& table : tables_) {
    if (done && table->shows_programs()) done = table->upload(board_);
  }
  return done;
}

Result<> ChipMemory::download() {
  Result<> done;
  for (const auto& table : tables_) {
    if (done) done = table->download(board_);
  }
  return done;
}

}  // namespace forager::jit::rtl
