// SPDX-License-Identifier: Apache-2.0
//
// Which attributes make a map, which do not, and what the refusal says: from a table, and the table against the kernel.
#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

struct Case {
  MapType type;
  std::uint32_t key_size, value_size, max_entries, flags;
  int error;  // 0: it is made
};

constexpr std::uint32_t kMax = UINT32_MAX, k4MiB = 4U << 20;
// Linux would allocate all of those that are made; so they are small.
constexpr Case kCases[] = {
    {MapType::array, 4, 8, 4, 0, 0},
    {MapType::array, 8, 8, 4, 0, EINVAL},
    {MapType::array, 4, 0, 4, 0, EINVAL},
    {MapType::array, 4, 8, 0, 0, EINVAL},
    {MapType::array, 4, 0x80000000, 1, 0, E2BIG},
    {MapType::array, 4, 1U << 16, kMax, 0, ENOMEM},
    {MapType::array, 4, 0x7fffffff, kMax, 0, ENOMEM},
    {MapType::array, 4, 8, 4, BPF_F_MMAPABLE, 0},
    {MapType::array, 4, 8, 4, BPF_F_NO_PREALLOC, EINVAL},
    {MapType::array, 4, 8, 4, BPF_F_RDONLY_PROG, 0},
    {MapType::array, 4, 8, 4, BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG, EINVAL},
    {MapType::array, 4, 8, 4, BPF_F_RDONLY | BPF_F_WRONLY, EINVAL},
    {MapType::array, 4, 8, 4, 1U << 31, EINVAL},
    {MapType::percpu_array, 4, 32768, 1, 0, 0},
    {MapType::percpu_array, 4, 32769, 1, 0, E2BIG},
    {MapType::percpu_array, 4, 8, 4, BPF_F_MMAPABLE, EINVAL},
    {MapType::hash, 8, 8, 4, 0, 0},
    {MapType::hash, 0, 8, 4, 0, EINVAL},
    {MapType::hash, 8, 0, 4, 0, EINVAL},
    {MapType::hash, 8, 8, 0, 0, EINVAL},
    {MapType::hash, 4096, 8, 4, 0, 0},
    {MapType::hash, 8, k4MiB - 48 - 8 - 1, 1, BPF_F_NO_PREALLOC, 0},
    {MapType::hash, 8, k4MiB - 48 - 8, 1, BPF_F_NO_PREALLOC, E2BIG},
    {MapType::hash, 8, kMax, 1, 0, E2BIG},
    {MapType::hash, kMax, kMax, 1, 0, E2BIG},
    {MapType::hash, 4, 4, (1U << 27) + 1, BPF_F_NO_PREALLOC, E2BIG},
    {MapType::hash, 4, 4, kMax, 0, E2BIG},
    {MapType::hash, 4, 1U << 20, 1U << 22, 0, ENOMEM},
    {MapType::hash, 8, 8, 4, BPF_F_NO_COMMON_LRU, EINVAL},
    {MapType::percpu_hash, 8, 32768, 1, 0, 0},
    {MapType::percpu_hash, 8, 32769, 1, 0, E2BIG},
    {MapType::percpu_hash, 4, 8, kMax, 0, E2BIG},
    {MapType::lru_hash, 8, 8, 4, 0, 0},
    {MapType::lru_hash, 8, 8, 5, BPF_F_NO_COMMON_LRU, 0},
    {MapType::lru_hash, 4, 4, kMax, 0, E2BIG},
    {MapType::lpm_trie, 8, 8, 4, BPF_F_NO_PREALLOC, 0},
    {MapType::lpm_trie, 8, 8, 4, 0, EINVAL},
    {MapType::lpm_trie, 4, 8, 4, BPF_F_NO_PREALLOC, EINVAL},
    {MapType::lpm_trie, 5, 1, 4, BPF_F_NO_PREALLOC, 0},
    {MapType::lpm_trie, 260, 8, 4, BPF_F_NO_PREALLOC, 0},
    {MapType::lpm_trie, 261, 8, 4, BPF_F_NO_PREALLOC, EINVAL},
    {MapType::lpm_trie, 8, 0, 4, BPF_F_NO_PREALLOC, EINVAL},
    {MapType::lpm_trie, 8, k4MiB - 256 - 24, 4, BPF_F_NO_PREALLOC, 0},
    {MapType::lpm_trie, 8, k4MiB - 256 - 24 + 1, 4, BPF_F_NO_PREALLOC, EINVAL},
    {MapType::lpm_trie, 8, 8, kMax, BPF_F_NO_PREALLOC, 0},
    {MapType::prog_array, 4, 4, 4, 0, 0},
    {MapType::prog_array, 4, 8, 4, 0, EINVAL},
    {MapType::prog_array, 4, 4, 4, BPF_F_RDONLY_PROG, EINVAL},
    {MapType::perf_event_array, 4, 4, 4, 0, 0},
    {MapType::perf_event_array, 4, 4, 4, BPF_F_PRESERVE_ELEMS, 0},
    {MapType::perf_event_array, 8, 4, 4, 0, EINVAL},
    {MapType::devmap, 4, 4, 4, 0, 0},
    {MapType::devmap, 4, 8, 4, 0, 0},
    {MapType::devmap, 4, 6, 4, 0, EINVAL},
    {MapType::devmap, 4, 4, 4, BPF_F_RDONLY_PROG, EINVAL},
    {MapType::devmap_hash, 4, 4, 4, 0, 0},
    {MapType::devmap_hash, 8, 4, 4, 0, EINVAL},
    {MapType::devmap_hash, 4, 4, (1U << 31) + 1, 0, EINVAL},
    {MapType::ringbuf, 0, 0, 4096, 0, 0},
    {MapType::ringbuf, 4, 0, 4096, 0, EINVAL},
    {MapType::ringbuf, 0, 4, 4096, 0, EINVAL},
    {MapType::ringbuf, 0, 0, 0, 0, EINVAL},
    {MapType::ringbuf, 0, 0, 2048, 0, EINVAL},
    {MapType::ringbuf, 0, 0, 4096 * 3, 0, EINVAL},
    {MapType::ringbuf, 0, 0, 4096, BPF_F_RDONLY, EINVAL},
    {MapType::cpumap, 4, 4, 2, 0, 0},
    {MapType::cpumap, 4, 8, 2, 0, 0},
    {MapType::cpumap, 4, 16, 2, 0, EINVAL},
    {MapType::cpumap, 4, 8, 2, BPF_F_RDONLY_PROG, EINVAL},
    {MapType::xskmap, 4, 4, 4, 0, 0},
    {MapType::xskmap, 4, 8, 4, 0, EINVAL},
    {MapType::stack_trace, 4, 80, 4, 0, 0},
    {MapType::stack_trace, 4, 4, 4, 0, EINVAL},
    {MapType::stack_trace, 4, 84, 4, 0, EINVAL},
    {MapType::cgroup_array, 4, 4, 4, 0, 0},
    {MapType::cgroup_array, 4, 8, 4, 0, EINVAL},
    {MapType::cpumap, 4, 4, 100000, 0, E2BIG},
    {MapType::cpumap, 4, 4, 2, BPF_F_RDONLY, EINVAL},
    {MapType::xskmap, 4, 4, 4, BPF_F_RDONLY, 0},
    {MapType::xskmap, 4, 4, 4, BPF_F_RDONLY_PROG, EINVAL},
    {MapType::stack_trace, 8, 80, 4, 0, EINVAL},
    {MapType::stack_trace, 4, 127 * 8, 4, 0, 0},
    {MapType::stack_trace, 4, 128 * 8, 4, 0, EINVAL},
    {MapType::stack_trace, 4, 127 * 32, 4, BPF_F_STACK_BUILD_ID, 0},
    {MapType::stack_trace, 4, 128 * 32, 4, BPF_F_STACK_BUILD_ID, EINVAL},
    {MapType::stack_trace, 4, 40, 4, BPF_F_STACK_BUILD_ID, EINVAL},
    {MapType::stack_trace, 4, 8, (1U << 31) + 1, 0, E2BIG},
    {MapType::stack_trace, 4, 8, 4, BPF_F_RDONLY_PROG, EINVAL},
    {MapType::cgroup_array, 4, 4, 4, BPF_F_WRONLY, 0},
    {MapType::cgroup_array, 4, 4, 4, BPF_F_RDONLY_PROG, EINVAL},
    {MapType::user_ringbuf, 0, 0, 4096, 0, 0},
    {MapType::user_ringbuf, 0, 0, 5000, 0, EINVAL},
    {MapType::user_ringbuf, 0, 4, 4096, 0, EINVAL},
    {MapType::user_ringbuf, 0, 0, 4096, BPF_F_RDONLY, EINVAL},
    {MapType::queue, 0, 8, 4, 0, 0},
    {MapType::queue, 4, 8, 4, 0, EINVAL},
    {MapType::queue, 0, 0, 4, 0, EINVAL},
    {MapType::queue, 0, 8, 0, 0, EINVAL},
    {MapType::stack, 0, 8, 4, 0, 0},
    {MapType::stack, 0, k4MiB + 1, 4, 0, E2BIG},
    {MapType::bloom_filter, 0, 8, 4, 0, 0},
    {MapType::bloom_filter, 4, 8, 4, 0, EINVAL},
    {MapType::lru_percpu_hash, 8, 8, 4, 0, 0},
    {MapType::lru_percpu_hash, 0, 8, 4, 0, EINVAL},
    {MapType::lru_percpu_hash, 8, 32769, 4, 0, E2BIG},
    {MapType::lru_percpu_hash, 8, 8, 4, BPF_F_NO_COMMON_LRU, 0},
    {MapType::lru_percpu_hash, 8, 8, 4, BPF_F_NO_PREALLOC, 524},
    {MapType::lru_hash, 8, 8, 4, BPF_F_NO_PREALLOC, 524},
    {MapType::lru_hash, 8, 8, 4, BPF_F_NO_PREALLOC | BPF_F_MMAPABLE, EINVAL},
    {MapType::queue, 0, 8, 4, BPF_F_RDONLY_PROG, 0},
    {MapType::queue, 0, 8, 4, BPF_F_NO_PREALLOC, EINVAL},
    {MapType::queue, 0, k4MiB, 1, 0, 0},
    {MapType::queue, 0, k4MiB, kMax, 0, ENOMEM},
    {MapType::sockmap, 4, 4, 4, 0, 0},
    {MapType::sockmap, 4, 12, 4, 0, EINVAL},
    {MapType::sockhash, 20, 8, 4, 0, 0},
    {MapType::sockhash, 0, 8, 4, 0, EINVAL},
    {MapType::sockhash, 513, 8, 4, 0, E2BIG},
    {MapType::reuseport_sockarray, 4, 8, 4, 0, 0},
    {MapType::reuseport_sockarray, 4, 2, 4, 0, EINVAL},
    {MapType::cgroup_storage, 16, 8, 0, 0, 0},
    {MapType::cgroup_storage, 8, 8, 0, 0, 0},
    {MapType::cgroup_storage, 8, 8, 1, 0, EINVAL},
    {MapType::cgroup_storage, 4, 8, 0, 0, EINVAL},
    {MapType::percpu_cgroup_storage, 16, 8, 0, 0, 0},
    {MapType::sockhash, 512, 8, 4, 0, 0},
    {MapType::sockhash, 4, 4, (1U << 27) + 1, 0, EINVAL},
};

MapSpec spec_of(const Case& entry) {
  return {.type = entry.type,
          .key_size = entry.key_size,
          .value_size = entry.value_size,
          .max_entries = entry.max_entries,
          .flags = entry.flags};
}
std::string text_of(const Case& entry) {
  const auto* row = isa::find_map(static_cast<std::uint32_t>(entry.type));
  return std::string(row->name) + " key " + std::to_string(entry.key_size) + " value " +
         std::to_string(entry.value_size) + " entries " + std::to_string(entry.max_entries) + " flags " +
         std::to_string(entry.flags);
}

TEST(MapsRegistry, ChecksAttributesAsTheTableSays) {
  for (const Case& entry : kCases) {
    const auto map = create(spec_of(entry), 2);
    ASSERT_EQ(map ? 0 : map.error().error, entry.error) << text_of(entry) << (map ? "" : ": " + map.error().text());
  }
}

void ask_kernel(std::span<const Case> cases) {
  for (const Case& entry : cases) {
    const int fd = kernel_create(spec_of(entry));
    if (fd >= 0) close(fd);
    EXPECT_EQ(fd < 0 ? -fd : 0, entry.error) << text_of(entry);
  }
}

TEST(MapsRegistry, TheTablesAreTheKernels) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  ask_kernel(kCases);
}

TEST(MapsRegistry, DeclaredMapsHoldNothing) {
  const auto map =
      declare({.type = MapType::inode_storage, .key_size = 4, .value_size = 8, .flags = BPF_F_NO_PREALLOC}, 2);
  ASSERT_TRUE(map);
  std::uint64_t value = 7;
  EXPECT_EQ((*map)->lookup(&value, 0), nullptr);
  EXPECT_EQ((*map)->update(&value, &value, BPF_ANY, 0), -EOPNOTSUPP);
  EXPECT_EQ((*map)->write(&value, &value, BPF_ANY), -EOPNOTSUPP);
  EXPECT_EQ((*map)->read(&value, &value, 0), -EOPNOTSUPP);
  EXPECT_EQ((*map)->next_key(nullptr, &value), -EOPNOTSUPP);
  EXPECT_EQ((*map)->erase(&value), -EOPNOTSUPP);
  EXPECT_EQ((*map)->usage().entries, 0U);
}

TEST(MapsRegistry, BuiltTypesAreMadeWhereMapsAreDeclared) {
  const auto map = declare({.type = MapType::array, .key_size = 4, .value_size = 8, .max_entries = 4}, 2);
  ASSERT_TRUE(map);
  const std::uint32_t key = 0;
  EXPECT_NE((*map)->lookup(&key, 0), nullptr);
  EXPECT_EQ(declare({.type = MapType::array, .key_size = 8, .value_size = 8, .max_entries = 4}, 2).error().error,
            EINVAL);
}

TEST(MapsRegistry, StorageOfObjectsIsDeclaredWithoutEntries) {
  MapSpec spec = {.type = MapType::inode_storage, .key_size = 4, .value_size = 8, .flags = BPF_F_NO_PREALLOC};
  EXPECT_TRUE(declare(spec, 2));
  spec.max_entries = 1;
  EXPECT_EQ(declare(spec, 2).error().error, EINVAL);
  spec.max_entries = 0;
  spec.flags = 0;
  EXPECT_EQ(declare(spec, 2).error().error, EINVAL) << "it is never preallocated";
}

TEST(MapsRegistry, TypesThatNeedMoreThanAttributesAreNotDeclared) {
  for (const MapType type : {MapType::struct_ops, MapType::arena}) {
    EXPECT_EQ(declare({.type = type}, 2).error().kind, ErrorKind::unsupported);
  }
}

// 32 GiB of slots: more than most machines have, and not to be asked of a kernel that might give them.
TEST(MapsRegistry, TablesBeyondTheMachinesMemoryAreRefusedAndOthersCostNothing) {
  const auto machine =
      static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const int expected = machine < std::uint64_t{kMax} * 8 ? ENOMEM : 0;
  for (const MapType type : {MapType::prog_array, MapType::perf_event_array, MapType::devmap}) {
    const auto map = create({.type = type, .key_size = 4, .value_size = 4, .max_entries = kMax}, 2);
    EXPECT_EQ(map ? 0 : map.error().error, expected);
  }
}

// Linux gives it 16 GiB of buckets; here they are touched as they are used.
TEST(MapsRegistry, TheLargestDevmapHashWorks) {
  const auto map = make({.type = MapType::devmap_hash, .key_size = 4, .value_size = 4, .max_entries = 1U << 31});
  const std::uint32_t key = UINT32_MAX, port = 3;
  EXPECT_EQ(map->write(&key, &port, BPF_ANY), 0);
  EXPECT_NE(map->lookup(&key, 0), nullptr);
}

TEST(MapsRegistry, EveryTypeThatTheTablesSayRunsIsBuilt) {
  for (const isa::MapRow& row : isa::maps()) {
    const auto map = create({.type = row.type}, 2);
    ASSERT_FALSE(map.has_value());
    ASSERT_FALSE(declare({.type = row.type}, 2).has_value()) << row.name;
    if (row.status == "runs") {
      EXPECT_NE(map.error().kind, ErrorKind::unsupported) << row.name;
    } else {
      EXPECT_EQ(map.error().kind, ErrorKind::unsupported) << row.name;
      EXPECT_NE(map.error().message.find(row.status), std::string::npos) << map.error().text();
    }
  }
}

TEST(MapsRegistry, RefusesNumbersThatAreNoType) {
  for (const std::uint32_t number : {0U, 1000U, UINT32_MAX}) {
    const auto map =
        create({.type = static_cast<MapType>(number), .key_size = 4, .value_size = 4, .max_entries = 1}, 2);
    ASSERT_FALSE(map.has_value());
    EXPECT_EQ(map.error().error, EINVAL);
  }
}

TEST(MapsRegistry, SaysWhatTheLimitIsAndWhatWasAsked) {
  const auto map = create({.type = MapType::percpu_array, .key_size = 4, .value_size = 40000, .max_entries = 1}, 2);
  ASSERT_FALSE(map.has_value());
  EXPECT_EQ(map.error().text(), "percpu_array map: value_size is too large; limit 32768, asked 40000");
}

TEST(MapsRegistry, RefusesMapExtraAndImpossibleCpus) {
  MapSpec spec = {.type = MapType::hash, .key_size = 4, .value_size = 4, .max_entries = 1};
  EXPECT_EQ(create(spec, 0).error().error, EINVAL);
  EXPECT_EQ(create(spec, UINT32_MAX).error().error, EINVAL);
  spec.extra = 1;
  EXPECT_EQ(create(spec, 2).error().error, EINVAL);
}

TEST(MapsRegistry, CorrectsTheSpecAsTheKernelDoes) {
  EXPECT_EQ(make({.type = MapType::devmap, .key_size = 4, .value_size = 4, .max_entries = 1})->spec().flags,
            std::uint32_t{BPF_F_RDONLY_PROG});
  EXPECT_EQ(
      make({.type = MapType::lru_hash, .key_size = 4, .value_size = 4, .max_entries = 5, .flags = BPF_F_NO_COMMON_LRU},
           4)
          ->spec()
          .max_entries,
      8U);
}

}  // namespace
}  // namespace forager::maps::testing
