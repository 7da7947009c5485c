// SPDX-License-Identifier: Apache-2.0
//
// DEVMAP, DEVMAP_HASH, CPUMAP and XSKMAP on the chip: whether there is an entry. Where it leads is the host's to say when
// the packet leaves (Attendant::finish).
#include <array>
#include <cstring>
#include <vector>

#include "jit-backends/rtl/chip_hash.h"
#include "jit-backends/rtl/chip_table.h"

namespace forager::jit::rtl {
namespace {

using Bytes = std::vector<std::byte>;

bool is_there(exec::Map& map, std::uint32_t key, unsigned cpu) {
  if (exec::RedirectTable* table = map.abilities().redirects; table != nullptr) return table->get(&key).has_value();
  return map.lookup(&key, cpu) != nullptr;
}

// By index: a word for each, 0 if there is nothing.
class ChipTargets final : public ChipTable {
 public:
  ChipTargets(const ChipMap& map, exec::Map& host, const ChipPlace& place)
      : map_(map), host_(host), place_(place), rows_(place.row + map.entry_row, map.end_row - map.entry_row) {}

  Result<> upload(sim::Board& board) override {
    Bytes now(rows_.size());
    for (std::uint32_t key = 0; key < host_.spec().max_entries; ++key) {
      const std::uint64_t word = is_there(host_, key, place_.cpu) ? 1 : 0;
      std::memcpy(now.data() + sizeof word * key, &word, sizeof word);
    }
    if (auto put = rows_.write(board, now); !put) return put;
    return write_descriptor(board, map_, host_.spec(), place_, {});
  }

 private:
  ChipMap map_;
  exec::Map& host_;
  ChipPlace place_;
  ChipRows rows_;
};

// By hashed key.
class ChipHashedTargets final : public ChipTable {
 public:
  ChipHashedTargets(const ChipMap& map, exec::Map& host, const ChipPlace& place)
      : map_(map), host_(host), place_(place), rows_(place.row + map.bucket_row, map.end_row - map.bucket_row) {}

  Result<> upload(sim::Board& board) override {
    Bytes buckets(part(map_.bucket_row, map_.link_row)), links(part(map_.link_row, map_.entry_row)),
        entries(part(map_.entry_row, map_.end_row));
    std::uint32_t node = 0, key = 0, last = 0;
    for (int more = host_.next_key(nullptr, &key); more == 0 && node + 2 < map_.nodes; more = host_.next_key(&last, &key)) {
      last = key;
      const std::uint32_t bucket = chip_hash(std::as_bytes(std::span(&key, 1)), place_.seed) & map_.mask;
      put_link(links, ++node, {.node = link_at(buckets.data(), bucket).node});
      put_link(buckets, bucket, {.node = node});
      std::memcpy(entries.data() + (std::size_t{node} << map_.shift) * sim::kRowBytes, &key, sizeof key);
    }
    buckets.insert(buckets.end(), links.begin(), links.end());
    buckets.insert(buckets.end(), entries.begin(), entries.end());
    if (auto put = rows_.write(board, buckets); !put) return put;
    return write_descriptor(board, map_, host_.spec(), place_, {});
  }

 private:
  static std::size_t part(std::uint32_t from, std::uint32_t to) { return std::size_t{to - from} * sim::kRowBytes; }

  ChipMap map_;
  exec::Map& host_;
  ChipPlace place_;
  ChipRows rows_;
};

}  // namespace

std::unique_ptr<ChipTable> make_chip_targets(const ChipMap& map, exec::Map& host, const ChipPlace& place) {
  if (map.kind == CoreMap::Hash) return std::make_unique<ChipHashedTargets>(map, host, place);
  return std::make_unique<ChipTargets>(map, host, place);
}

}  // namespace forager::jit::rtl
