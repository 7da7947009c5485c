// SPDX-License-Identifier: Apache-2.0
//
// QUEUE, STACK and BLOOM_FILTER: against models, and the same operations on the machine's own kernel.
#include "maps_values_testing.h"

namespace forager::maps::testing {
namespace {

// ---- queues and stacks -------------------------------------------------------------------------------------------

void play_ring(const MapSpec& spec, std::uint64_t seed, Values& left, Values& right) {
  Random random(seed);
  for (int i = 0; i < 3000; ++i) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(i));
    const std::uint64_t choice = below(random, 8);
    // Long runs of pushes and of pops reach both the full and the empty map.
    const bool filling = i / 100 % 2 == 0;
    if (choice == 0) {
      ASSERT_EQ(left.peek(Bytes(spec.value_size, '\1')), right.peek(Bytes(spec.value_size, '\1')));
    } else if (choice < (filling ? 6U : 3U)) {
      const Bytes value = random_value(random, spec.value_size);
      const std::uint64_t flags = below(random, 4) == 0 ? below(random, 6) : 0;
      ASSERT_EQ(left.push(value, flags), right.push(value, flags)) << "flags " << flags;
    } else {
      ASSERT_EQ(left.pop(), right.pop());
    }
  }
  for (std::uint32_t i = 0; i <= spec.max_entries; ++i) ASSERT_EQ(left.pop(), right.pop());
}

class MapsRings : public ::testing::TestWithParam<MapType> {
 protected:
  static std::vector<MapSpec> specs() {
    std::vector<MapSpec> specs;
    for (const auto& [size, entries] : {std::pair{8U, 10U}, {1U, 1U}, {13U, 33U}, {300U, 2U}}) {
      specs.push_back({.type = GetParam(), .value_size = size, .max_entries = entries});
    }
    return specs;
  }
};

TEST_P(MapsRings, AnswersLikeTheModel) {
  for (const MapSpec& spec : specs()) {
    OurValues ours(spec);
    RingModel model(spec);
    play_ring(spec, spec.value_size, ours, model);
    EXPECT_EQ(ours.map().usage().entries, model.size());
  }
}

TEST_P(MapsRings, AnswersLikeTheKernel) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  for (const MapSpec& spec : specs()) {
    OurValues ours(spec);
    KernelValues kernels(spec);
    play_ring(spec, spec.max_entries, ours, kernels);
  }
}

// What a program pops from an empty map is zeroed memory.
TEST_P(MapsRings, AnEmptyMapGivesZeros) {
  const auto map = make({.type = GetParam(), .value_size = 8, .max_entries = 2});
  std::uint64_t value = 7;
  EXPECT_EQ(map->abilities().values->pop(&value), -ENOENT);
  EXPECT_EQ(value, 0U);
  value = 7;
  EXPECT_EQ(map->abilities().values->peek(&value), -ENOENT);
  EXPECT_EQ(value, 0U);
}

TEST_P(MapsRings, ThereAreNoKeys) {
  const auto map = make({.type = GetParam(), .value_size = 8, .max_entries = 2});
  std::uint64_t value = 7;
  EXPECT_EQ(map->lookup(nullptr, 0), nullptr);
  EXPECT_EQ(map->update(nullptr, &value, BPF_ANY, 0), -EINVAL);
  EXPECT_EQ(map->erase(nullptr), -EINVAL);
  EXPECT_EQ(map->next_key(nullptr, &value), -EINVAL);
  EXPECT_EQ(map->read(nullptr, &value, 1), -EINVAL);
  EXPECT_EQ(map->take(nullptr, &value, 1), -EINVAL);
}

// What went at either end and what came, in one step; values without room are counted.
TEST_P(MapsRings, ChangeAsAWhole) {
  const auto map = make({.type = GetParam(), .value_size = 1, .max_entries = 4});
  exec::ValueList& list = *map->abilities().list;
  const auto text = [&] {
    const auto bytes = list.copy_out();
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  const auto change = [&](std::uint64_t oldest, std::uint64_t newest, const std::string& pushed) {
    return list.change(oldest, newest, std::as_bytes(std::span(pushed)));
  };
  EXPECT_EQ(change(0, 0, "abcd"), 0U);
  EXPECT_EQ(change(1, 1, "e"), 0U);
  EXPECT_EQ(text(), "bce");
  EXPECT_EQ(change(0, 0, "fgh"), 2U);
  EXPECT_EQ(text(), "bcef");
  EXPECT_EQ(change(3, 3, "ij"), 0U);
  EXPECT_EQ(text(), "ij");
  EXPECT_EQ(change(UINT64_MAX, UINT64_MAX, ""), 0U);
  EXPECT_EQ(text(), "");
}

TEST_P(MapsRings, MemoryDoesNotGrow) {
  const auto map = make({.type = GetParam(), .value_size = 64, .max_entries = 100});
  const std::uint64_t bytes = map->usage().bytes;
  EXPECT_GE(bytes, 6400U);
  const Bytes value(64, 'x');
  for (int i = 0; i < 10000; ++i) ASSERT_EQ(map->write(nullptr, value.data(), BPF_EXIST), 0);
  EXPECT_EQ(map->usage().bytes, bytes);
  EXPECT_EQ(map->usage().entries, 100U);
}

std::string type_name(const ::testing::TestParamInfo<MapType>& info) {
  return std::string(isa::find_map(static_cast<std::uint32_t>(info.param))->name);
}
INSTANTIATE_TEST_SUITE_P(All, MapsRings, ::testing::Values(MapType::queue, MapType::stack), type_name);

// ---- Bloom filters -----------------------------------------------------------------------------------------------

MapSpec bloom(std::uint32_t value_size, std::uint32_t max_entries, std::uint64_t hashes, std::uint32_t flags = 0) {
  return {.type = MapType::bloom_filter,
          .value_size = value_size,
          .max_entries = max_entries,
          .flags = flags,
          .extra = hashes};
}

// A member is always known; with as many values as it is made for, a filter of five functions errs on a few of a
// hundred others.
TEST(MapsBloom, KnowsItsMembersAndFewOthers) {
  for (const std::uint32_t value_size : {1U, 3U, 4U, 8U, 13U, 40U}) {
    OurValues filter(bloom(value_size, 200, 5));
    std::set<Bytes> members;
    Random random(value_size);
    while (members.size() < std::min(200U, value_size == 1 ? 60U : 200U)) {
      members.insert(random_value(random, value_size));
      ASSERT_EQ(filter.push(*members.rbegin(), BPF_ANY), 0);
      for (const Bytes& member : members) ASSERT_EQ(filter.push(member, BPF_ANY), 0);
    }
    for (const Bytes& member : members) ASSERT_EQ(filter.peek(member).result, 0);
    int wrong = 0;
    for (int i = 0; i < 1000; ++i) {
      const Bytes value = random_value(random, value_size);
      wrong += !members.contains(value) && filter.peek(value).result == 0 ? 1 : 0;
    }
    EXPECT_LT(wrong, 150) << value_size;
  }
}

// Without a seed, both confuse the same values.
TEST(MapsBloom, AnswersLikeTheKernelBitByBit) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  for (const std::uint32_t value_size : {1U, 3U, 4U, 8U, 12U, 13U, 40U}) {
    for (const std::uint64_t hashes : {0U, 1U, 3U, 15U}) {
      const MapSpec spec = bloom(value_size, 50, hashes, BPF_F_ZERO_SEED);
      OurValues ours(spec);
      KernelValues kernels(spec);
      Random random(value_size * 16 + hashes);
      for (int i = 0; i < 60; ++i) {
        const Bytes value = random_value(random, value_size);
        const std::uint64_t flags = below(random, 5) == 0 ? below(random, 4) : 0;
        ASSERT_EQ(ours.push(value, flags), kernels.push(value, flags)) << flags;
      }
      for (int i = 0; i < 500; ++i) {
        const Bytes value = random_value(random, value_size);
        ASSERT_EQ(ours.peek(value), kernels.peek(value)) << "value size " << value_size << " hashes " << hashes;
      }
      EXPECT_EQ(ours.pop().result, kernels.pop().result);
    }
  }
}

TEST(MapsBloom, NothingIsTakenOutOrListed) {
  const auto map = make(bloom(8, 10, 0));
  std::uint64_t value = 7;
  EXPECT_EQ(map->abilities().values->pop(&value), -EOPNOTSUPP);
  EXPECT_EQ(map->erase(nullptr), -EOPNOTSUPP);
  EXPECT_EQ(map->next_key(nullptr, &value), -EOPNOTSUPP);
  EXPECT_EQ(map->lookup(nullptr, 0), nullptr);
  EXPECT_EQ(map->update(nullptr, &value, BPF_ANY, 0), -EINVAL);
  EXPECT_EQ(map->read(nullptr, &value, 1), -EINVAL);
  EXPECT_EQ(map->write(nullptr, &value, BPF_EXIST), -EINVAL);
}

TEST(MapsBloom, SizesAreLinuxs) {
  const auto bytes = [](std::uint32_t entries, std::uint64_t hashes) {
    return make(bloom(8, entries, hashes))->usage().bytes / 4096 * 4096;
  };
  EXPECT_EQ(bytes(1, 1), 4096U) << "a page at least";
  EXPECT_EQ(bytes(1'000'000, 5), (1U << 23) / 8) << "7,000,000 bits, rounded up to a power of two";
  EXPECT_EQ(bytes(UINT32_MAX, 15), std::uint64_t{1} << 29) << "all that 32 bits can name";
}

struct BloomCase {
  std::uint32_t key_size, value_size, max_entries, flags;
  std::uint64_t extra;
  int error;
};
constexpr BloomCase kBloomCases[] = {
    {0, 8, 4, 0, 0, 0},
    {0, 8, 4, 0, 15, 0},
    {0, 8, 4, 0, 16, EINVAL},
    {0, 8, 4, 0, 1ULL << 32, EINVAL},
    {4, 8, 4, 0, 3, EINVAL},
    {0, 0, 4, 0, 3, EINVAL},
    {0, 8, 0, 0, 3, EINVAL},
    {0, (4U << 20) + 1, 4, 0, 3, E2BIG},
    {4, (4U << 20) + 1, 4, 0, 3, E2BIG},
    {0, 4U << 20, 4, 0, 3, 0},
    {0, 8, 4, BPF_F_ZERO_SEED, 3, 0},
    {0, 8, 4, BPF_F_RDONLY_PROG, 3, 0},
    {0, 8, 4, BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG, 3, EINVAL},
    {0, 8, 4, BPF_F_NO_PREALLOC, 3, EINVAL},
};

TEST(MapsBloom, AttributesAreChecked) {
  const bool kernel = kernel_missing().empty();
  for (const BloomCase& entry : kBloomCases) {
    MapSpec spec = bloom(entry.value_size, entry.max_entries, entry.extra, entry.flags);
    spec.key_size = entry.key_size;
    const auto map = create(spec, 2);
    ASSERT_EQ(map ? 0 : map.error().error, entry.error) << entry.value_size << " " << entry.extra;
    if (!kernel) continue;
    const int fd = kernel_create(spec);
    if (fd >= 0) close(fd);
    EXPECT_EQ(fd < 0 ? -fd : 0, entry.error) << "the kernel's: " << entry.value_size << " " << entry.extra;
  }
}

}  // namespace
}  // namespace forager::maps::testing
