// SPDX-License-Identifier: Apache-2.0
//
// Iteration while the map changes: it ends, it misses no key that stays, and it starts over where Linux's does.
#include <set>

#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

constexpr unsigned kCpus = 2;

class MapsIteration : public ::testing::TestWithParam<MapType> {
 protected:
  static MapSpec spec() {
    const bool trie = GetParam() == MapType::lpm_trie;
    return {.type = GetParam(),
            .key_size = trie ? 8U : 4U,
            .value_size = 4,
            .max_entries = 2000,
            .flags = trie ? std::uint32_t{BPF_F_NO_PREALLOC} : 0};
  }
  // Key n, of full length in a trie.
  static Bytes key(std::uint32_t n) {
    return GetParam() == MapType::lpm_trie ? bytes_of(std::uint32_t{32}) + bytes_of(n * 0x9e3779b1U) : bytes_of(n);
  }
  static bool is_staying(const Bytes& candidate) {
    for (std::uint32_t n = 0; n < 300; ++n) {
      if (candidate == key(n)) return true;
    }
    return false;
  }
  // One value for any type: big enough for each CPU's, a port for a devmap.
  static Bytes value(char byte) { return Bytes(exec::host_value_size(spec(), kCpus), byte); }

  OurMap map_{make(spec(), kCpus), kCpus};
};

TEST_P(MapsIteration, GoesOnBehindAKeyThatWasDeletedMeanwhile) {
  for (std::uint32_t n = 0; n < 500; ++n) ASSERT_EQ(map_.write(key(n), value('\1'), 0), 0);
  std::set<Bytes> seen;
  for (Read at = map_.next({}); at.result == 0; at = map_.next(at.bytes)) {
    ASSERT_TRUE(seen.insert(at.bytes).second) << "a key came twice";
    ASSERT_EQ(map_.erase(at.bytes), 0);
  }
  EXPECT_EQ(seen.size(), 500U);
  EXPECT_EQ(map_.map().usage().entries, 0U);
}

TEST_P(MapsIteration, MissesNoStayingKeyAndEndsUnderChurn) {
  for (std::uint32_t n = 0; n < 300; ++n) ASSERT_EQ(map_.write(key(n), value('\1'), 0), 0);
  Random random(3);
  std::set<Bytes> seen;
  int steps = 0;
  for (Read at = map_.next({}); at.result == 0; at = map_.next(at.bytes)) {
    ASSERT_LT(++steps, 20000) << "iteration does not end";
    seen.insert(at.bytes);
    // Keys up to 300 stay, though they are updated; others come and go, the cursor's among them.
    for (int i = 0; i < 20; ++i) {
      const auto n = static_cast<std::uint32_t>(below(random, 1500));
      if (n < 300 || below(random, 2) == 0) {
        ASSERT_EQ(map_.write(key(n), value('\2'), 0), 0);
      } else {
        static_cast<void>(map_.erase(key(n)));
      }
    }
    if (map_.read(at.bytes, 0).result == 0 && !is_staying(at.bytes)) {
      ASSERT_EQ(map_.erase(at.bytes), 0);
    }
  }
  for (std::uint32_t n = 0; n < 300; ++n) EXPECT_TRUE(seen.contains(key(n))) << n;
}

TEST_P(MapsIteration, AKeyThatItNeverReturnedStartsOver) {
  for (std::uint32_t n = 0; n < 10; ++n) ASSERT_EQ(map_.write(key(n), value('\1'), 0), 0);
  const Read first = map_.next({});
  EXPECT_EQ(map_.next(key(99)), first);
  EXPECT_EQ(map_.next(key(99)), first);
}

TEST_P(MapsIteration, AVanishedCursorCountsOnce) {
  for (std::uint32_t n = 0; n < 10; ++n) ASSERT_EQ(map_.write(key(n), value('\1'), 0), 0);
  const Read first = map_.next({});
  ASSERT_EQ(map_.erase(first.bytes), 0);
  const Read second = map_.next(first.bytes);
  ASSERT_EQ(second.result, 0);
  EXPECT_EQ(map_.next(first.bytes), map_.next({})) << "used up: starts over";
}

TEST_P(MapsIteration, AnEmptyMapHasNoKeys) {
  EXPECT_EQ(map_.next({}).result, -ENOENT);
  EXPECT_EQ(map_.next(key(1)).result, -ENOENT);
}

INSTANTIATE_TEST_SUITE_P(All, MapsIteration,
                         ::testing::Values(MapType::hash, MapType::percpu_hash, MapType::lru_hash,
                                           MapType::lru_percpu_hash, MapType::lpm_trie, MapType::devmap_hash),
                         [](const auto& info) {
                           return std::string(isa::find_map(static_cast<std::uint32_t>(info.param))->name);
                         });

}  // namespace
}  // namespace forager::maps::testing
