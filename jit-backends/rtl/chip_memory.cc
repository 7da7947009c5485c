// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/chip_memory.h"

#include <cerrno>
#include <cstring>

#include "interp/access.h"
#include "jit-backends/rtl/isa/core_isa.h"

namespace forager::jit::rtl {
namespace {

constexpr std::uint32_t kMapsInTable = 64, kMostThreads = 16;
constexpr std::size_t kWord = 8;

Result<> write(sim::Board& board, CoreRegister which, std::uint32_t value) {
  return board.write(offset_of(which), value);
}

}  // namespace

Result<> ChipMemory::load(std::span<const ChipMap> plan, std::span<const std::shared_ptr<exec::Map>> maps,
                          std::uint32_t first_region, std::uint32_t row, std::uint32_t rows, unsigned cpu,
                          unsigned threads) {
  copies_.clear();
  for (const ChipMap& map : plan) {
    const std::uint32_t end = map.row + map.rows * (map.per_cpu ? threads : 1);
    if (end <= rows) continue;
    auto error =
        fail(ErrorKind::limit, E2BIG, "the program's maps do not fit the device's memory, in rows of 64 bytes");
    error.error().limit = rows;
    error.error().asked = end;
    return error;
  }
  Result<> done = write(board_, CoreRegister::MapRegion, first_region);
  if (done) done = clear_table();
  for (const ChipMap& map : plan) {
    const std::uint32_t copies = map.per_cpu ? threads : 1, entries = maps[map.index]->spec().max_entries;
    for (std::uint32_t i = 0; done && i < copies; ++i) {
      Copy copy = {.values = {}, .stride = map.stride, .row = row + map.row + i * map.rows, .device = {}};
      for (std::uint32_t key = 0; key < entries; ++key) {
        copy.values.push_back(static_cast<std::byte*>(maps[map.index]->lookup(&key, cpu + i)));
      }
      copies_.push_back(std::move(copy));
    }
    for (std::uint32_t thread = 0; done && thread < threads; ++thread) {
      const std::uint32_t first = row + map.row + (map.per_cpu ? thread * map.rows : 0);
      done = enter(thread, map, first, map.stride * entries);
    }
  }
  return done;
}

// The table is the whole device's: entries of an earlier program are forgotten. A device with fewer threads has them
// several times.
Result<> ChipMemory::clear_table() {
  Result<> done;
  for (std::uint32_t i = 0; done && i < kMostThreads * kMapsInTable; ++i) {
    done = write(board_, CoreRegister::MapIndex, i);
    if (done) done = write(board_, CoreRegister::MapBytes, 0);
  }
  return done;
}

Result<> ChipMemory::enter(std::uint32_t thread, const ChipMap& map, std::uint32_t row, std::uint32_t bytes) {
  Result<> done = write(board_, CoreRegister::MapIndex, thread * kMapsInTable + map.index);
  if (done) done = write(board_, CoreRegister::MapRow, row);
  if (done) done = write(board_, CoreRegister::MapBytes, bytes);
  return done;
}

Result<> ChipMemory::upload() {
  for (Copy& copy : copies_) {
    const std::size_t bytes = copy.values.size() * copy.stride;
    std::vector<std::byte> now((bytes + sim::kRowBytes - 1) / sim::kRowBytes * sim::kRowBytes);
    for (std::size_t i = 0; i < copy.values.size(); ++i) {
      for (std::size_t at = 0; at < copy.stride; at += kWord) {
        const auto word = interp::load<std::uint64_t>(copy.values[i] + at);
        std::memcpy(now.data() + i * copy.stride + at, &word, kWord);
      }
    }
    if (now == copy.device) continue;
    if (auto put = board_.write_rows(copy.row, now); !put) return put;
    copy.device = std::move(now);
  }
  return {};
}

Result<> ChipMemory::download() {
  for (Copy& copy : copies_) {
    std::vector<std::byte> now(copy.device.size());
    if (auto read = board_.read_rows(copy.row, now); !read) return read;
    for (std::size_t i = 0; i < copy.values.size(); ++i) {
      for (std::size_t at = 0; at < copy.stride; at += kWord) {
        const std::size_t offset = i * copy.stride + at;
        std::uint64_t before = 0, after = 0;
        std::memcpy(&before, copy.device.data() + offset, kWord);
        std::memcpy(&after, now.data() + offset, kWord);
        if (before != after) interp::store<std::uint64_t>(copy.values[i] + at, after);
      }
    }
    copy.device = std::move(now);
  }
  return {};
}

}  // namespace forager::jit::rtl
