// SPDX-License-Identifier: Apache-2.0
//
// Maps whose entries are a word each, which only the host changes: whether a packet may be redirected there, where a
// program begins, which map it is.
#include <cstring>
#include <functional>
#include <vector>

#include "interp/memory.h"
#include "jit-backends/rtl/chip_hash.h"
#include "jit-backends/rtl/chip_memory.h"
#include "jit-backends/rtl/chip_table.h"
#include "jit-backends/rtl/loader.h"

namespace forager::jit::rtl {
namespace {

using Bytes = std::vector<std::byte>;
using WordOf = std::function<std::uint64_t(const void* key)>;  // 0: nothing there

constexpr std::uint64_t kNotLoaded = std::uint64_t{1} << 63;

class WordTable : public ChipTable {
 public:
  // All that the table has stands from `first_row` on.
  WordTable(const ChipMap& map, exec::Map& host, const ChipPlace& place, WordOf word_of, std::uint32_t first_row)
      : map_(map),
        host_(host),
        place_(place),
        word_of_(std::move(word_of)),
        rows_(place.row + first_row, map.end_row - first_row) {}

  Result<> upload(sim::HostPort& board) override {
    if (auto put = rows_.write(board, contents()); !put) return put;
    return write_descriptor(board, map_, host_.spec(), place_, {});
  }
  bool shows_programs() const override { return map_.programs; }

 protected:
  [[nodiscard]] virtual Bytes contents() const = 0;

  ChipMap map_;
  exec::Map& host_;
  ChipPlace place_;
  WordOf word_of_;
  ChipRows rows_;
};

// Words by index.
class ChipWords final : public WordTable {
 public:
  ChipWords(const ChipMap& map, exec::Map& host, const ChipPlace& place, WordOf word_of)
      : WordTable(map, host, place, std::move(word_of), map.entry_row) {}

 private:
  Bytes contents() const override {
    Bytes now(rows_.size());
    for (std::uint32_t key = 0; key < host_.spec().max_entries; ++key) {
      const std::uint64_t word = word_of_(&key);
      std::memcpy(now.data() + sizeof word * key, &word, sizeof word);
    }
    return now;
  }
};

// Words by hashed key: behind the key, where there is room for one.
class ChipHashedWords final : public WordTable {
 public:
  ChipHashedWords(const ChipMap& map, exec::Map& host, const ChipPlace& place, WordOf word_of)
      : WordTable(map, host, place, std::move(word_of), map.bucket_row) {}

 private:
  Bytes contents() const override {
    Bytes buckets(part(map_.bucket_row, map_.link_row)), links(part(map_.link_row, map_.entry_row)),
        entries(part(map_.entry_row, map_.end_row));
    std::uint32_t node = 0;
    each_key(host_, [&](std::span<const std::byte> key) {
      const std::uint64_t word = word_of_(key.data());
      if (word == 0) return true;
      chain(key_words(key, host_.spec().key_size), place_.seed, map_.mask, ++node, buckets, links);
      std::byte* entry = entries.data() + (std::size_t{node} << map_.shift) * sim::kRowBytes;
      std::memcpy(entry, key.data(), key.size());
      if (map_.nested) std::memcpy(entry + map_.value_offset, &word, sizeof word);
      return node + 2 < map_.nodes;
    });
    buckets.insert(buckets.end(), links.begin(), links.end());
    buckets.insert(buckets.end(), entries.begin(), entries.end());
    return buckets;
  }
  static std::size_t part(std::uint32_t from, std::uint32_t to) { return std::size_t{to - from} * sim::kRowBytes; }
};

// DEVMAP and its kin: where an entry leads is the host's to say when the packet leaves (Attendant::finish).
std::uint64_t target_word(exec::Map& map, const void* key, unsigned cpu) {
  if (exec::RedirectTable* table = map.abilities().redirects; table != nullptr) return table->get(key) ? 1 : 0;
  return map.lookup(key, cpu) != nullptr ? 1 : 0;
}

// PROG_ARRAY: one more than the program's first bundle; the first tail call to one that is not loaded is the host's,
// and each to one whose stack has to begin as zeros.
std::uint64_t program_word(exec::Map& map, const void* key, const Loader& loader) {
  std::uint32_t index = 0;
  std::memcpy(&index, key, sizeof index);
  const exec::ProgramTable* programs = map.abilities().programs;
  const exec::ProgramSlot slot = programs == nullptr ? exec::ProgramSlot{} : programs->get(index);
  if (slot.program == nullptr) return 0;
  const Resident* resident = loader.resident(slot);
  const bool at_once = resident != nullptr && resident->image->code().cleared_rows == 0;
  return at_once ? std::uint64_t{resident->first} + 1 : kNotLoaded;
}

// Maps of maps: a pointer to the map, by its number.
std::uint64_t map_word(exec::Map& map, const void* key, const ChipMemory& memory) {
  const exec::MapTable* maps = map.abilities().maps;
  const exec::MapSlot slot = maps == nullptr ? exec::MapSlot{} : maps->get(key);
  const auto number = memory.number_of(slot.map.get());
  return number ? interp::Memory::fixed_address(memory.first_region() + 2 * *number) : 0;
}

WordOf word_of(const ChipMap& map, exec::Map& host, const ChipPlace& place) {
  if (map.programs) return [&host, loader = place.loader](const void* key) { return program_word(host, key, *loader); };
  if (map.nested) return [&host, memory = place.memory](const void* key) { return map_word(host, key, *memory); };
  return [&host, cpu = place.cpu](const void* key) { return target_word(host, key, cpu); };
}

}  // namespace

std::unique_ptr<ChipTable> make_chip_words(const ChipMap& map, exec::Map& host, const ChipPlace& place) {
  if (map.kind == CoreMap::Hash) return std::make_unique<ChipHashedWords>(map, host, place, word_of(map, host, place));
  return std::make_unique<ChipWords>(map, host, place, word_of(map, host, place));
}

}  // namespace forager::jit::rtl
