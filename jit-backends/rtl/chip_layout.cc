// SPDX-License-Identifier: Apache-2.0
//
// The kinds of maps that the engine knows, and how large their tables are.
#include <algorithm>
#include <bit>
#include <iterator>

#include "jit-backends/common/image.h"
#include "jit-backends/rtl/chip_maps.h"

namespace forager::jit::rtl {
namespace {

using isa::MapType;

constexpr std::uint32_t kRow = 64, kNumbersInRow = 16, kWordsInRow = 8;
constexpr std::uint64_t kMostBytes = (1U << 22) - 1;      // that pointers reach: what an entry of the map table can say
constexpr std::uint32_t kMostKey = 64, kMostImage = 192;  // bytes of key and value that an update brings
constexpr std::uint32_t kMostPrefix = 20;                 // a trie's key: its length and 16 bytes
constexpr std::uint32_t kPrefixValue = 24;                // where a trie's node has the value

constexpr ChipKind kKinds[] = {
    {.type = MapType::array, .kind = CoreMap::Array},
    {.type = MapType::percpu_array, .kind = CoreMap::Array, .per_cpu = true},
    {.type = MapType::hash, .kind = CoreMap::Hash},
    {.type = MapType::percpu_hash, .kind = CoreMap::Hash, .per_cpu = true},
    {.type = MapType::lru_hash, .kind = CoreMap::Hash, .marked = true},
    {.type = MapType::lru_percpu_hash, .kind = CoreMap::Hash, .per_cpu = true, .marked = true},
    {.type = MapType::lpm_trie, .kind = CoreMap::Trie},
    {.type = MapType::devmap, .kind = CoreMap::Table, .redirects = true},
    {.type = MapType::devmap_hash, .kind = CoreMap::Hash, .redirects = true},
    {.type = MapType::cpumap, .kind = CoreMap::Table, .redirects = true},
    {.type = MapType::xskmap, .kind = CoreMap::Table, .redirects = true},
    {.type = MapType::prog_array, .kind = CoreMap::Table, .programs = true},
    {.type = MapType::array_of_maps, .kind = CoreMap::Table, .nested = true},
    {.type = MapType::hash_of_maps, .kind = CoreMap::Hash, .nested = true},
};

std::uint32_t rows_for(std::uint64_t bytes) { return static_cast<std::uint32_t>((bytes + kRow - 1) / kRow); }
std::uint32_t shift_for(std::uint32_t bytes) {
  return static_cast<std::uint32_t>(std::countr_zero(std::bit_ceil(rows_for(bytes))));
}

// ---- tables, one after the other ----

class Layout {
 public:
  Layout(ChipMap& map, const program::MapSpec& spec, std::uint32_t row, const ChipRoom& room)
      : map_(map), spec_(spec), room_(room), next_(row) {}

  // False if the map is not one of those that fit the engine.
  bool run() {
    const bool known = map_.kind == CoreMap::Array  ? array()
                       : map_.kind == CoreMap::Hash ? hash()
                       : map_.kind == CoreMap::Trie ? trie()
                                                    : table();
    map_.end_row = static_cast<std::uint32_t>(next_);
    return known && next_ <= room_.rows && std::uint64_t{map_.value_rows} * kRow <= kMostBytes;
  }

 private:
  bool array() {
    const std::uint64_t stride = stride_of(spec_);
    map_.stride = static_cast<std::uint32_t>(stride);
    map_.value_row = map_.entry_row = take(1, 0);
    map_.value_rows = rows_for(std::min<std::uint64_t>(stride * spec_.max_entries, kMostBytes + kRow));
    take(map_.value_rows, map_.per_cpu ? room_.threads : 1);
    return true;
  }

  // An entry is its key and its value; per-CPU values stand elsewhere.
  bool hash() {
    const std::uint32_t key = in_words(spec_.key_size), value = map_.redirects ? 0
                                                                : map_.nested  ? 8
                                                                               : in_words(spec_.value_size);
    // A map's address is read with its key.
    if (map_.nested && key + value > kRow) return false;
    if (spec_.key_size > kMostKey || key + value > kMostImage || spec_.max_entries >= kMostBytes) return false;
    const std::uint32_t buckets = std::bit_ceil(spec_.max_entries);
    map_.mask = buckets - 1;
    map_.nodes = spec_.max_entries + 2;  // none, and a spare one for replacements
    map_.bucket_row = take((buckets + kNumbersInRow - 1) / kNumbersInRow, 1);
    map_.link_row = take(map_.nodes / kNumbersInRow + 1, 1);
    map_.value_offset = map_.per_cpu ? kRow : key;
    map_.shift = map_.per_cpu ? 0 : shift_for(key + value);
    map_.value_shift = value == 0 ? 0 : shift_for(value);
    map_.image_rows = map_.per_cpu ? 1 + rows_for(value) : rows_for(key + value);
    return entries();
  }

  // Nodes without values join two others: at most one less than there are entries.
  bool trie() {
    const std::uint32_t value = in_words(spec_.value_size);
    if (spec_.key_size > kMostPrefix || value > kMostImage || spec_.max_entries >= kMostBytes) return false;
    map_.nodes = 2 * spec_.max_entries + 1;
    map_.value_offset = kPrefixValue;
    map_.shift = shift_for(kPrefixValue + value);
    return entries();
  }

  bool table() {
    map_.entry_row = take((spec_.max_entries + kWordsInRow - 1) / kWordsInRow, 1);
    return spec_.max_entries < kMostBytes;
  }

  bool entries() {
    map_.value_row = map_.entry_row = take(map_.nodes << map_.shift, 1);
    map_.value_rows = map_.nodes << (map_.per_cpu ? map_.value_shift : map_.shift);
    if (map_.per_cpu) map_.value_row = take(map_.value_rows, room_.threads);
    return true;
  }

  std::uint32_t take(std::uint64_t rows, std::uint64_t copies) {
    const auto first = static_cast<std::uint32_t>(next_);
    next_ = std::min<std::uint64_t>(next_ + rows * copies, room_.rows + 1);
    return first;
  }

  ChipMap& map_;
  const program::MapSpec& spec_;
  const ChipRoom& room_;
  std::uint64_t next_;
};

}  // namespace

const ChipKind* chip_kind(const program::MapSpec& map) {
  if (!map.fields.empty()) return nullptr;
  const auto* row = std::ranges::find(kKinds, map.type, &ChipKind::type);
  return row == std::end(kKinds) ? nullptr : row;
}

std::optional<ChipMap> lay_out(const program::MapSpec& spec, std::uint32_t index, std::uint32_t row,
                               const ChipRoom& room) {
  const ChipKind* kind = chip_kind(spec);
  if (kind == nullptr) return std::nullopt;
  ChipMap map = {.index = index,
                 .kind = kind->kind,
                 .per_cpu = kind->per_cpu,
                 .marked = kind->marked,
                 .redirects = kind->redirects,
                 .programs = kind->programs,
                 .nested = kind->nested};
  return Layout(map, spec, row, room).run() ? std::optional(map) : std::nullopt;
}

}  // namespace forager::jit::rtl
