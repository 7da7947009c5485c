// SPDX-License-Identifier: Apache-2.0
//
// What maps cost: bytes per entry, nothing for what is not used, and no growth under churn. And what mapping the
// memory of an array shows.
#include <sys/mman.h>

#include <algorithm>

#include "emulated.h"
#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

// Whether what is resident is ours alone: sanitizers and emulators keep books of their own.
bool resident_is_ours() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return !forager::testing::is_emulated();
#endif
}

struct Sizes {
  std::uint32_t key, value;
};

// The promise is for 10 million entries: 1.3 times key + value + 16 bytes each. A 64th of them fills its power of two
// of buckets to the same degree.
TEST(MapsMemory, AHashEntryCostsLittleMoreThanKeyAndValue) {
  constexpr std::uint32_t kEntries = 10'000'000 / 64;
  for (const Sizes sizes : {Sizes{4, 4}, Sizes{8, 8}, Sizes{16, 32}, Sizes{4, 8}}) {
    const auto map =
        make({.type = MapType::hash, .key_size = sizes.key, .value_size = sizes.value, .max_entries = kEntries});
    const std::uint64_t before = resident_bytes();
    Bytes key(sizes.key, '\0');
    const Bytes value(sizes.value, '\1');
    for (std::uint32_t n = 0; n < kEntries; ++n) {
      std::memcpy(key.data(), &n, sizeof n);
      ASSERT_EQ(map->update(key.data(), value.data(), BPF_NOEXIST, 0), 0);
    }
    const auto limit = static_cast<std::uint64_t>(1.3 * (sizes.key + sizes.value + 16) * kEntries);
    EXPECT_EQ(map->usage().entries, kEntries);
    EXPECT_LE(map->usage().bytes, limit);
    if (!resident_is_ours()) continue;
    EXPECT_LE(resident_bytes() - before, limit);
    EXPECT_GE(map->usage().bytes + (1U << 20), resident_bytes() - before) << "usage() tells the truth";
  }
}

TEST(MapsMemory, AHugeMapCostsNothingUntilItIsUsed) {
  if (forager::testing::is_emulated()) GTEST_SKIP() << "qemu-user notes what each mapped page is for";
  const std::uint64_t before = resident_bytes();
  const auto map = make(
      {.type = MapType::hash, .key_size = 4, .value_size = 64, .max_entries = 1U << 26, .flags = BPF_F_NO_PREALLOC});
  const auto array = make({.type = MapType::array, .key_size = 4, .value_size = 64, .max_entries = 1U << 22});
  const std::uint32_t key = 77;
  const Bytes value(64, '\1');
  EXPECT_EQ(map->update(&key, value.data(), BPF_ANY, 0), 0);
  EXPECT_EQ(array->update(&key, value.data(), BPF_ANY, 0), 0);
  EXPECT_LT(resident_bytes() - before, 4U << 20);
}

// However keys come and go, no more nodes are touched than ever stood in the map at a time.
TEST(MapsMemory, ChurnDoesNotGrowTheMap) {
  constexpr std::uint32_t kLive = 500;
  for (const MapType type : {MapType::hash, MapType::percpu_hash, MapType::lru_hash, MapType::lru_percpu_hash}) {
    const auto map = make({.type = type, .key_size = 4, .value_size = 8, .max_entries = 1U << 16});
    const std::uint64_t values[2] = {1, 1};
    for (std::uint32_t n = 0; n < kLive; ++n) ASSERT_EQ(map->write(&n, values, BPF_ANY), 0);
    const std::uint64_t filled = map->usage().bytes;
    for (std::uint32_t n = kLive; n < 100000; ++n) {
      const std::uint32_t oldest = n - kLive, replaced = n - kLive / 2;
      ASSERT_EQ(map->erase(&oldest), 0);
      ASSERT_EQ(map->write(&n, values, BPF_NOEXIST), 0);
      ASSERT_EQ(map->write(&replaced, values, BPF_EXIST), 0);
    }
    EXPECT_EQ(map->usage().entries, kLive);
    EXPECT_EQ(map->usage().bytes, filled);
  }
}

TEST(MapsMemory, ChurnDoesNotGrowATrie) {
  const auto map =
      make({.type = MapType::lpm_trie, .key_size = 8, .value_size = 8, .max_entries = 600, .flags = BPF_F_NO_PREALLOC});
  Random random(1);
  const std::uint64_t value = 1;
  std::uint64_t most = 0;
  for (int i = 0; i < 100000; ++i) {
    const std::uint32_t key[2] = {static_cast<std::uint32_t>(below(random, 33)),
                                  static_cast<std::uint32_t>(below(random, 4000) << 8)};
    const int result = below(random, 2) == 0 ? map->erase(key) : map->update(key, &value, BPF_ANY, 0);
    ASSERT_TRUE(result == 0 || result == -ENOENT || result == -ENOSPC) << result;
    most = std::max(most, map->usage().entries);
  }
  constexpr std::uint64_t kTable = 512 * 8;  // slots: no more than entries
  EXPECT_LE(map->usage().bytes, (2 * most + 1) * 32 + kTable + 4096);
}

TEST(MapsMemory, ReplacingWorksInAFullMap) {
  const auto map = make({.type = MapType::hash, .key_size = 4, .value_size = 4, .max_entries = 8});
  for (std::uint32_t n = 0; n < 8; ++n) ASSERT_EQ(map->update(&n, &n, BPF_ANY, 0), 0);
  for (std::uint32_t n = 0; n < 1000; ++n) {
    const std::uint32_t key = n % 8, extra = 100;
    ASSERT_EQ(map->update(&key, &n, BPF_ANY, 0), 0);
    ASSERT_EQ(map->update(&extra, &n, BPF_ANY, 0), -E2BIG);
  }
}

// A program holds the address of a value while the host updates the key: it goes on reading the old value whole.
TEST(MapsMemory, AnUpdateDoesNotTouchTheValueThatAProgramHolds) {
  const auto map = make({.type = MapType::hash, .key_size = 4, .value_size = 8, .max_entries = 8});
  const std::uint32_t key = 5;
  const std::uint64_t old_value = 1, new_value = 2;
  ASSERT_EQ(map->write(&key, &old_value, BPF_ANY), 0);
  const auto* held = static_cast<const std::uint64_t*>(map->lookup(&key, 0));
  ASSERT_EQ(map->write(&key, &new_value, BPF_ANY), 0);
  EXPECT_EQ(*held, old_value);
  EXPECT_EQ(*static_cast<const std::uint64_t*>(map->lookup(&key, 0)), new_value);
}

TEST(MapsMemory, MappingAnArraysFileShowsItsValues) {
  const auto map =
      make({.type = MapType::array, .key_size = 4, .value_size = 12, .max_entries = 1000, .flags = BPF_F_MMAPABLE});
  const exec::MapMemory memory = map->memory();
  ASSERT_EQ(memory.size, 16384U) << "16 bytes a value, whole pages";
  void* mapped = mmap(nullptr, memory.size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  auto* bytes = static_cast<char*>(mapped);
  const std::uint32_t key = 7;
  Bytes value(12, 'x'), read(12, '\0');
  ASSERT_EQ(map->write(&key, value.data(), BPF_ANY), 0);
  EXPECT_EQ(Bytes(bytes + 7 * 16, 12), value);
  bytes[7 * 16] = 'y';
  ASSERT_EQ(map->read(&key, read.data(), 0), 0);
  EXPECT_EQ(read[0], 'y');
  EXPECT_EQ(map->lookup(&key, 0), memory.base + 7 * 16);
  munmap(mapped, memory.size);
}

}  // namespace
}  // namespace forager::maps::testing
