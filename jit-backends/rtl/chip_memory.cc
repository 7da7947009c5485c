// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/chip_memory.h"

#include <algorithm>

namespace forager::jit::rtl {
namespace {

constexpr std::uint32_t kMostThreads = 16;
constexpr std::uint32_t kRow = 64;

Result<> write(sim::HostPort& board, CoreRegister which, std::uint32_t value) {
  return board.write(offset_of(which), value);
}

// Where pointers to a map's values lead.
Result<> enter_table(sim::HostPort& board, std::uint32_t thread, std::uint32_t number, std::uint32_t row,
                     std::uint32_t bytes) {
  Result<> done = write(board, CoreRegister::MapIndex, thread * kMapsInTable + number);
  if (done) done = write(board, CoreRegister::MapRow, row);
  if (done) done = write(board, CoreRegister::MapBytes, bytes);
  return done;
}

}  // namespace

bool are_as_planned(const ChipPlan& plan, const program::Program& program, const exec::MapList& maps) {
  return std::ranges::all_of(plan.maps, [&](const ChipMap& map) {
    return maps[map.index]->spec().max_entries == program.maps()[map.index].max_entries;
  });
}

Result<> ChipMemory::load(const ChipPlan& plan, const exec::MapList& maps, std::span<const verifier::MapUse> uses,
                          std::uint32_t first_region, const ChipPlace& place) {
  maps_.clear();
  inner_.clear();
  place_ = place;
  place_.memory = this;
  room_ = plan.room;
  end_ = place.row + plan.room.rows;
  first_region_ = first_region;
  Result<> done = forget_maps(place.descriptors);
  if (done) done = write(board_, CoreRegister::MapRegion, first_region);
  if (done) done = write(board_, CoreRegister::MapSeed, place.seed);
  for (const ChipMap& map : plan.maps) {
    if (done) done = enter(map, map.index);
  }
  take(plan, maps);
  for (std::size_t i = 0; i < maps_.size(); ++i) {
    maps_[i].written = uses[i] != verifier::MapUse::read_only && uses[i] != verifier::MapUse::unused;
  }
  outer_place_ = place_;
  outer_maps_ = maps_.size();
  return done;
}

Result<std::optional<std::uint32_t>> ChipMemory::add(const ChipPlan& plan, const exec::MapList& maps) {
  if (maps_.size() + maps.size() > kMapsInTable || place_.row + plan.rows() > end_) return std::nullopt;
  const auto number = static_cast<std::uint32_t>(maps_.size());
  take(plan, maps);
  for (std::size_t i = number; i < maps_.size(); ++i) {
    if (maps_[i].table == nullptr) continue;
    if (auto put = maps_[i].table->upload(board_); !put) return std::unexpected(put.error());
  }
  return number;
}

// The next ones stand behind.
void ChipMemory::take(const ChipPlan& plan, const exec::MapList& maps) {
  for (std::uint32_t i = 0; i < maps.size(); ++i) {
    const ChipMap* map = plan.find(i);
    maps_.push_back({.chip = map == nullptr ? std::nullopt : std::optional(*map), .host = maps[i]});
    if (map != nullptr) maps_.back().table = make_chip_table(*map, *maps[i], place_);
  }
  place_.row += plan.rows();
  place_.descriptors += static_cast<std::uint32_t>(maps.size());
}

// ---- maps of maps ----

exec::MapList ChipMemory::inner_maps() const {
  exec::MapList all;
  for (std::size_t i = 0; i < outer_maps_; ++i) {
    const Entry& outer = maps_[i];
    if (!outer.chip || !outer.chip->nested || outer.host->abilities().maps == nullptr) continue;
    each_key(*outer.host, [&](std::span<const std::byte> key) {
      auto map = outer.host->abilities().maps->get(key.data()).map;
      if (map != nullptr && std::ranges::find(all, map) == all.end()) all.push_back(std::move(map));
      return true;
    });
  }
  return all;
}

Result<bool> ChipMemory::take_inner() {
  exec::MapList now = inner_maps();
  if (now == inner_) return true;
  maps_.resize(outer_maps_);
  place_ = outer_place_;
  inner_ = std::move(now);
  for (const auto& map : inner_) {
    const auto added = add_inner(map);
    if (!added || !*added) return added;
  }
  return true;
}

// One that the program has by itself too is that one, and may be changed by the other way.
Result<bool> ChipMemory::add_inner(const std::shared_ptr<exec::Map>& map) {
  const auto own = std::ranges::find(maps_, map, &Entry::host);
  if (own != maps_.end()) {
    own->written = true;
    return own->chip.has_value();
  }
  const auto chip = lay_out(map->spec(), 0, 0, room_);
  if (!chip || maps_.size() == kMapsInTable || place_.row + chip->end_row > end_) return false;
  if (auto entered = enter(*chip, static_cast<std::uint32_t>(maps_.size())); !entered) {
    return std::unexpected(entered.error());
  }
  take({.maps = {*chip}}, {map});
  return true;
}

std::optional<std::uint32_t> ChipMemory::number_of(const exec::Map* map) const {
  const auto found = std::ranges::find_if(maps_, [&](const Entry& entry) { return entry.host.get() == map; });
  if (map == nullptr || found == maps_.end() || !found->chip) return std::nullopt;
  return static_cast<std::uint32_t>(found - maps_.begin());
}

// ---- the device's tables of maps ----

// Entries of an earlier program are forgotten. A device with fewer threads has them several times.
Result<> ChipMemory::forget_maps(std::uint32_t row) {
  const std::vector<std::byte> none(kMapsInTable * sim::kRowBytes);
  Result<> done = board_.write_rows(row, none);
  for (std::uint32_t i = 0; done && i < kMostThreads * kMapsInTable; ++i) {
    done = write(board_, CoreRegister::MapIndex, i);
    if (done) done = write(board_, CoreRegister::MapBytes, 0);
  }
  return done;
}

// For each thread.
Result<> ChipMemory::enter(const ChipMap& map, std::uint32_t number) {
  Result<> done;
  for (std::uint32_t thread = 0; done && thread < place_.threads && map.value_rows != 0; ++thread) {
    const std::uint32_t row = place_.row + map.value_row + (map.per_cpu ? thread * map.value_rows : 0);
    done = enter_table(board_, thread, number, row, map.value_rows * kRow);
  }
  return done;
}

// ---- to the device and back ----

Result<> ChipMemory::each(const std::function<Result<>(const Entry&)>& what) {
  Result<> done;
  for (const Entry& entry : maps_) {
    if (done && entry.table != nullptr) done = what(entry);
  }
  return done;
}

Result<> ChipMemory::upload() {
  return each([&](const Entry& entry) { return entry.table->upload(board_); });
}

Result<> ChipMemory::upload(const exec::Map& map) {
  return each([&](const Entry& entry) { return entry.host.get() == &map ? entry.table->upload(board_) : Result<>{}; });
}

Result<> ChipMemory::show_programs() {
  return each(
      [&](const Entry& entry) { return entry.table->shows_programs() ? entry.table->upload(board_) : Result<>{}; });
}

Result<> ChipMemory::download() {
  return each([&](const Entry& entry) {
    return entry.written ? entry.table->download(board_) : entry.table->download_marks(board_);
  });
}

Result<> ChipMemory::download(const exec::Map& map) {
  return each(
      [&](const Entry& entry) { return entry.host.get() == &map ? entry.table->download(board_) : Result<>{}; });
}

}  // namespace forager::jit::rtl
