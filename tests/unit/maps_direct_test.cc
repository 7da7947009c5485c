// SPDX-License-Identifier: Apache-2.0
//
// What compiled programs use in place of Map::lookup() finds the same.
#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

using Kind = exec::DirectLookup::Kind;

void* look(const exec::DirectLookup& direct, const void* key, unsigned cpu) {
  return direct.function(direct.object, key, cpu);
}

std::uint64_t fold(std::uint64_t x, std::uint64_t y) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(x) * y;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint32_t field(const std::byte* node, std::uint32_t offset) {
  std::uint32_t value = 0;
  std::memcpy(&value, node + offset, sizeof value);
  return value;
}

// What exec::HashWalk says of where a key's value is, while nobody writes.
const void* walk(const exec::HashWalk& table, const Bytes& key) {
  std::uint64_t words[2] = {};
  std::memcpy(words, key.data(), key.size());
  const std::uint64_t first = fold(words[0] ^ table.first, key.size() > 8 ? words[1] ^ table.second : table.second);
  std::uint32_t number = table.heads[fold(first ^ table.seed, table.third) & table.mask];
  const std::size_t compared = key.size() > 8 ? 16 : 8;
  while (number != 0) {
    const std::byte* node = table.nodes + number * table.node_bytes;
    const auto at = table.marked ? exec::HashWalk::kMarkedKey : exec::HashWalk::kKey;
    if (std::memcmp(node + at, words, compared) == 0) {
      EXPECT_EQ(field(node, exec::HashWalk::kVersion) % 2, 1U);
      return node + table.value_offset;
    }
    number = field(node, exec::HashWalk::kNext);
  }
  return nullptr;
}

struct Shape {
  MapType type;
  std::uint32_t key_size;
};

class MapsDirect : public ::testing::TestWithParam<Shape> {};

TEST_P(MapsDirect, FindsWhatLookupFinds) {
  const auto& [type, key_size] = GetParam();
  const auto map = make({.type = type, .key_size = key_size, .value_size = 8, .max_entries = 64});
  const auto direct = map->direct_lookup(1);
  ASSERT_EQ(direct.kind, Kind::function);
  ASSERT_EQ(direct.walk != nullptr, key_size <= 16 && (type == MapType::hash || type == MapType::lru_hash));
  Random random(key_size);
  unsigned found = 0;
  for (int step = 0; step < 20000; ++step) {
    Bytes key(key_size, '\0');
    key[0] = static_cast<char>(below(random, 100));
    key[key_size - 1] = static_cast<char>(below(random, 2) + key[key_size - 1]);
    const std::uint64_t values[2] = {1, 2};
    const auto what = below(random, 3);
    if (what == 0) std::ignore = map->write(key.data(), values, BPF_ANY);
    if (what == 1) std::ignore = map->erase(key.data());
    void* expected = map->lookup(key.data(), 1);
    ASSERT_EQ(look(direct, key.data(), 1), expected) << step;
    if (direct.walk != nullptr) {
      ASSERT_EQ(walk(*direct.walk, key), expected) << step;
    }
    found += expected != nullptr;
  }
  EXPECT_GT(found, 1000U);
}

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const MapType type : {MapType::hash, MapType::lru_hash, MapType::percpu_hash, MapType::lru_percpu_hash}) {
    for (const std::uint32_t size :
         {1U, 4U, 5U, 6U, 8U, 9U, 12U, 13U, 16U, 17U, 20U, 24U, 32U, 36U, 37U, 40U, 44U, 48U, 50U})
      all.push_back({type, size});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, MapsDirect, ::testing::ValuesIn(shapes()), [](const auto& info) {
  const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(info.param.type));
  return std::string(row->name) + "_" + std::to_string(info.param.key_size);
});

TEST(MapsDirect, ArraysAreArithmetic) {
  for (const MapType type : {MapType::array, MapType::percpu_array}) {
    const auto map = make({.type = type, .key_size = 4, .value_size = 12, .max_entries = 5});
    for (const unsigned cpu : {0U, 1U}) {
      const auto direct = map->direct_lookup(cpu);
      ASSERT_EQ(direct.kind, Kind::indexed);
      for (std::uint32_t i = 0; i < 5; ++i) EXPECT_EQ(direct.base + i * direct.stride, map->lookup(&i, cpu));
    }
  }
}

TEST(MapsDirect, OthersAreLookedUp) {
  const auto map =
      make({.type = MapType::lpm_trie, .key_size = 8, .value_size = 4, .max_entries = 5, .flags = BPF_F_NO_PREALLOC});
  EXPECT_EQ(map->direct_lookup(0).kind, Kind::none);
}

// A lookup by a compiled program makes an entry younger, as any program's does.
TEST(MapsDirect, LruEntriesAreUsed) {
  const auto map = make({.type = MapType::lru_hash, .key_size = 4, .value_size = 8, .max_entries = 4});
  const std::uint64_t value = 1;
  for (std::uint32_t key = 0; key < 4; ++key) ASSERT_EQ(map->update(&key, &value, BPF_ANY, 0), 0);
  const auto direct = map->direct_lookup(0);
  const std::uint32_t kept = 0;
  for (std::uint32_t key = 4; key < 12; ++key) {
    ASSERT_NE(look(direct, &kept, 0), nullptr) << key;
    ASSERT_EQ(map->update(&key, &value, BPF_ANY, 0), 0);
  }
  EXPECT_NE(map->lookup(&kept, 0), nullptr);
}

}  // namespace
}  // namespace forager::maps::testing
