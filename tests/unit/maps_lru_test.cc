// SPDX-License-Identifier: Apache-2.0
//
// What LRU_HASH and LRU_PERCPU_HASH drop, and what they keep.
#include <algorithm>

#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

std::shared_ptr<Map> make_lru(std::uint32_t max_entries) {
  return make({.type = MapType::lru_hash, .key_size = 4, .value_size = 8, .max_entries = max_entries});
}
int put(Map& map, std::uint32_t key, std::uint64_t value = 0) { return map.update(&key, &value, BPF_ANY, 0); }
bool has(Map& map, std::uint32_t key) {
  std::uint64_t value = 0;
  return map.read(&key, &value, 0) == 0;
}

TEST(MapsLru, IsNeverFullAndKeepsExactlyMaxEntries) {
  for (const std::uint32_t max : {1U, 2U, 7U, 64U, 1000U}) {
    const auto map = make_lru(max);
    for (std::uint32_t key = 0; key < max * 5 + 10; ++key) {
      ASSERT_EQ(put(*map, key), 0);
      ASSERT_TRUE(has(*map, key)) << "the newest entry is there";
      ASSERT_EQ(map->usage().entries, std::min(key + 1, max));
    }
  }
}

TEST(MapsLru, DropsTheOldestOfThoseThatWereNotUsed) {
  const auto map = make_lru(100);
  for (std::uint32_t key = 0; key < 150; ++key) ASSERT_EQ(put(*map, key), 0);
  for (std::uint32_t key = 0; key < 150; ++key) EXPECT_EQ(has(*map, key), key >= 50) << key;
}

TEST(MapsLru, KeepsWhatProgramsLookUp) {
  const auto map = make_lru(100);
  for (std::uint32_t key = 0; key < 5000; ++key) {
    ASSERT_EQ(put(*map, key), 0);
    for (std::uint32_t hot = 0; hot < 10; ++hot) ASSERT_NE(map->lookup(&hot, 0), hot <= key ? nullptr : map.get());
  }
  for (std::uint32_t hot = 0; hot < 10; ++hot) EXPECT_TRUE(has(*map, hot));
}

TEST(MapsLru, KeepsWhatIsUpdatedButAHostsReadIsNoUse) {
  const auto map = make_lru(50);
  ASSERT_EQ(put(*map, 1), 0);
  ASSERT_EQ(put(*map, 2), 0);
  for (std::uint32_t key = 100; key < 148; ++key) ASSERT_EQ(put(*map, key), 0);
  ASSERT_EQ(put(*map, 1, 9), 0);
  ASSERT_TRUE(has(*map, 2));
  ASSERT_EQ(put(*map, 200), 0);
  ASSERT_EQ(put(*map, 201), 0);
  EXPECT_TRUE(has(*map, 1));
  EXPECT_FALSE(has(*map, 2));
}

// The same clock; values are of each CPU, and a new entry has zeros in those of the others.
TEST(MapsLru, PerCpuValuesGoWithTheirEntry) {
  constexpr std::uint32_t kMax = 20;
  const auto map = make({.type = MapType::lru_percpu_hash, .key_size = 4, .value_size = 8, .max_entries = kMax}, 3);
  for (std::uint32_t key = 0; key < 500; ++key) {
    const std::uint64_t value = key + 1;
    ASSERT_EQ(map->update(&key, &value, BPF_NOEXIST, key % 3), 0);
    const std::uint32_t hot = 0;
    ASSERT_NE(map->lookup(&hot, 0), nullptr) << "used all the time, it stays";
    std::uint64_t values[3] = {};
    ASSERT_EQ(map->read(&key, values, 0), 0);
    for (unsigned cpu = 0; cpu < 3; ++cpu) ASSERT_EQ(values[cpu], cpu == key % 3 ? value : 0);
    ASSERT_EQ(map->usage().entries, std::min(key + 1, kMax));
  }
}

// All entries are hot: still no insertion fails, and it looks at a bounded number of them.
TEST(MapsLru, DropsAHotEntryIfAllAre) {
  const auto map = make_lru(1000);
  for (std::uint32_t key = 0; key < 1000; ++key) ASSERT_EQ(put(*map, key), 0);
  for (std::uint32_t key = 0; key < 1000; ++key) ASSERT_NE(map->lookup(&key, 0), nullptr);
  ASSERT_EQ(put(*map, 5000), 0);
  std::uint32_t left = 0;
  for (std::uint32_t key = 0; key < 1000; ++key) left += has(*map, key) ? 1 : 0;
  EXPECT_EQ(left, 999U);
  EXPECT_FALSE(has(*map, 128)) << "128 are spared, the next one goes";
}

TEST(MapsLru, UpdatingAnEntryOfAFullMapDropsNobody) {
  const auto map = make_lru(64);
  for (std::uint32_t key = 0; key < 64; ++key) ASSERT_EQ(put(*map, key), 0);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(put(*map, static_cast<std::uint32_t>(i) % 64, 7), 0);
  for (std::uint32_t key = 0; key < 64; ++key) EXPECT_TRUE(has(*map, key));
}

TEST(MapsLru, FlagsAreCheckedWhereverTheEntryComesFrom) {
  const auto map = make_lru(2);
  const std::uint64_t value = 0;
  for (std::uint32_t key = 0; key < 2; ++key) ASSERT_EQ(put(*map, key), 0);
  const std::uint32_t absent = 9, present = 1;
  EXPECT_EQ(map->update(&absent, &value, BPF_EXIST, 0), -ENOENT);
  EXPECT_EQ(map->update(&present, &value, BPF_NOEXIST, 0), -EEXIST);
  EXPECT_EQ(map->update(&absent, &value, 7, 0), -EINVAL);
  EXPECT_EQ(map->usage().entries, 2U) << "a refused update drops nobody";
}

// Zipf-like traffic: the clock should not be far from true LRU.
TEST(MapsLru, HitsAboutAsOftenAsTrueLru) {
  constexpr std::uint32_t kMax = 256;
  const auto map = make_lru(kMax);
  std::vector<std::uint32_t> recency;  // most recent last
  Random random(11);
  int hits = 0, ideal = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto key = static_cast<std::uint32_t>(2000.0 / (1.0 + static_cast<double>(below(random, 2000))) * 3) +
                     static_cast<std::uint32_t>(below(random, 300));
    if (map->lookup(&key, 0) != nullptr) {
      ++hits;
    } else {
      ASSERT_EQ(put(*map, key), 0);
    }
    if (const auto it = std::ranges::find(recency, key); it != recency.end()) {
      ++ideal;
      recency.erase(it);
    } else if (recency.size() == kMax) {
      recency.erase(recency.begin());
    }
    recency.push_back(key);
  }
  EXPECT_GT(hits, ideal * 9 / 10) << "of " << ideal;
}

}  // namespace
}  // namespace forager::maps::testing
