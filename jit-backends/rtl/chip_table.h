// SPDX-License-Identifier: Apache-2.0
//
// ChipTable: one map's tables in the device's memory (hw/doc/maps.md), and the map on the host that they stand for.
//
// upload() makes the device's what the host has, download() takes back what the device changed since: keys that came
// and went, and words of values. What the host wrote meanwhile stays, key by key and word by word, where the device did
// nothing.
//
// Tested by: tests/unit/rtl_maps_test.cc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "exec/map.h"
#include "jit-backends/rtl/chip_maps.h"
#include "sim/board/host_port.h"

namespace forager::jit::rtl {

inline constexpr std::uint32_t kLinkBytes = 4;
inline constexpr std::uint8_t kUsed = 1;  // in the last byte of a link

class ChipMemory;
class Loader;

// Where a program's tables stand, and whose CPUs the threads are.
struct ChipPlace {
  std::uint32_t row = 0;          // the first for its maps
  std::uint32_t descriptors = 0;  // row of map 0's descriptor
  const Loader* loader = nullptr;
  const ChipMemory* memory = nullptr;
  unsigned cpu = 0;        // of thread 0
  unsigned threads = 1;    // in use
  std::uint32_t seed = 0;  // of the hash function
};

// Rows of the device, as it was last seen to have them.
class ChipRows {
 public:
  ChipRows() = default;
  ChipRows(std::uint32_t row, std::uint32_t rows)
      : row_(row), bytes_(std::size_t{rows} * sim::kRowBytes), known_(rows, false) {}

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::byte* at(std::size_t offset) const { return bytes_.data() + offset; }
  // Writes the rows that differ, or are not known. Of others than `wanted` nothing is said: nobody looks at them.
  [[nodiscard]] Result<> write(sim::HostPort& board, const std::vector<std::byte>& now,
                               const std::function<bool(std::size_t row)>& wanted = {});
  // Reads rows anew.
  [[nodiscard]] Result<> read(sim::HostPort& board, std::uint32_t first, std::uint32_t rows);
  [[nodiscard]] Result<> read(sim::HostPort& board) {
    return read(board, 0, static_cast<std::uint32_t>(bytes_.size() / sim::kRowBytes));
  }
  // The device may have changed them.
  void forget(std::uint32_t first, std::uint32_t rows) { std::fill_n(known_.begin() + first, rows, false); }

 private:
  std::uint32_t row_ = 0;
  std::vector<std::byte> bytes_;
  std::vector<bool> known_;  // of each row
};

class ChipTable {
 public:
  virtual ~ChipTable() = default;
  [[nodiscard]] virtual Result<> upload(sim::HostPort& board) = 0;
  // What it has depends on which programs are loaded.
  [[nodiscard]] virtual bool shows_programs() const { return false; }
  // Of one that the device does not change: nothing.
  [[nodiscard]] virtual Result<> download(sim::HostPort& /*board*/) { return {}; }
  // Which entries were used, no more: no program changed the map.
  [[nodiscard]] virtual Result<> download_marks(sim::HostPort& /*board*/) { return {}; }
};

// The table of a map by its kind.
[[nodiscard]] std::unique_ptr<ChipTable> make_chip_table(const ChipMap& map, exec::Map& host, const ChipPlace& place);
[[nodiscard]] std::unique_ptr<ChipTable> make_chip_array(const ChipMap& map, exec::Map& host, const ChipPlace& place);
[[nodiscard]] std::unique_ptr<ChipTable> make_chip_hash(const ChipMap& map, exec::Map& host, const ChipPlace& place);
[[nodiscard]] std::unique_ptr<ChipTable> make_chip_trie(const ChipMap& map, exec::Map& host, const ChipPlace& place);
[[nodiscard]] std::unique_ptr<ChipTable> make_chip_words(const ChipMap& map, exec::Map& host, const ChipPlace& place);

// The descriptor, one row, that the engine reads (hw/doc/maps.md).
struct ChipDescriptor {
  std::uint32_t free = 0, spare = 0, root = 0;  // nodes
};
[[nodiscard]] Result<> write_descriptor(sim::HostPort& board, const ChipMap& map, const program::MapSpec& spec,
                                        const ChipPlace& place, const ChipDescriptor& changing);

// Values on both sides, word by word as programs see them: 8 bytes at a time, `bytes` of them rounded up.
void value_from_host(std::byte* host, std::span<std::byte> to);
void changes_to_host(std::span<const std::byte> before, std::span<const std::byte> after, std::byte* host);
// Each key of a map, in whole words with zeros behind it, until `visit` says no.
void each_key(exec::Map& map, const std::function<bool(std::span<const std::byte> key)>& visit);
// The value of a key, without making the entry younger.
[[nodiscard]] std::byte* peek(exec::Map& map, const void* key, unsigned cpu);

}  // namespace forager::jit::rtl
