// SPDX-License-Identifier: Apache-2.0
//
// The map engine alone, against the host's maps: operations at random from all threads at once, one answer after the
// other; tables that are full, buckets that many keys share, a memory whose port others have, and a host that is asked
// for what the engine does not do.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "tests/rtl/map_world.h"

namespace forager::rtl {
namespace {

using isa::MapType;

constexpr unsigned kRounds = 5, kOperations = 400;

struct Case {
  std::string name;
  std::vector<Shape> maps;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"Hash",
       {{MapType::hash, 4, 8, 64, 32},
        {MapType::hash, 4, 8, 16, 32},
        {MapType::hash, 1, 8, 1, 3},
        {MapType::hash, 6, 12, 8, 16},
        {MapType::hash, 13, 24, 24, 32},
        {MapType::hash, 16, 48, 32, 40}}},
      {"HashOfLongKeys",
       {{MapType::hash, 17, 40, 16, 32},
        {MapType::hash, 40, 100, 16, 24},
        {MapType::hash, 64, 64, 16, 32},
        {MapType::hash, 64, 128, 8, 16},
        {MapType::hash, 8, 184, 8, 16}}},
      {"PercpuHash",
       {{MapType::percpu_hash, 4, 8, 16, 32},
        {MapType::percpu_hash, 20, 96, 12, 16},
        {MapType::percpu_hash, 8, 184, 8, 16},
        {MapType::percpu_hash, 33, 128, 8, 16}}},
      {"LruHash", {{MapType::lru_hash, 4, 8, 16, 40}, {MapType::lru_hash, 24, 80, 12, 16}}},
      {"LruPercpuHash", {{MapType::lru_percpu_hash, 4, 8, 16, 40}, {MapType::lru_percpu_hash, 18, 72, 6, 12}}},
      {"LpmTrie",
       {{MapType::lpm_trie, 8, 8, 64, 60},
        {MapType::lpm_trie, 20, 16, 64, 80},
        {MapType::lpm_trie, 5, 40, 40, 60},
        {MapType::lpm_trie, 12, 100, 24, 40}}},
      {"Array",
       {{MapType::array, 4, 4, 10, 20},
        {MapType::array, 4, 72, 7, 16},
        {MapType::percpu_array, 4, 8, 5, 12},
        {MapType::percpu_array, 4, 200, 3, 8}}},
      {"MapsOfMaps",
       {{MapType::array_of_maps, 4, 4, 5, 10},
        {MapType::hash_of_maps, 4, 4, 6, 12},
        {MapType::hash_of_maps, 20, 4, 6, 12}}},
      {"Redirects",
       {{MapType::devmap, 4, 4, 20, 30},
        {MapType::devmap_hash, 4, 4, 16, 30},
        {MapType::cpumap, 4, 4, 8, 12},
        {MapType::xskmap, 4, 4, 8, 12}}},
      {"Programs", {{MapType::prog_array, 4, 4, 6, 8}}},
      {"All",
       {{MapType::hash, 8, 8, 16, 24},
        {MapType::percpu_hash, 8, 24, 8, 16},
        {MapType::lru_hash, 16, 32, 8, 16},
        {MapType::lru_percpu_hash, 4, 8, 8, 16},
        {MapType::lpm_trie, 8, 16, 32, 40},
        {MapType::array, 4, 40, 6, 10},
        {MapType::percpu_array, 4, 16, 6, 10},
        {MapType::array_of_maps, 4, 4, 5, 8},
        {MapType::hash_of_maps, 4, 4, 5, 8},
        {MapType::devmap, 4, 4, 9, 12},
        {MapType::devmap_hash, 4, 4, 9, 16},
        {MapType::cpumap, 4, 4, 8, 10},
        {MapType::xskmap, 4, 4, 8, 10},
        {MapType::prog_array, 4, 4, 5, 7}}},
  };
  return kCases;
}

constexpr Pace kPaces[] = {{}, {.gap = 60, .busy = 20, .slow = 20}, {.busy = 80, .slow = 50}};

class MapEngineTest : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(All, MapEngineTest, ::testing::Range(std::size_t{0}, cases().size()),
                         [](const auto& info) { return cases()[info.param].name; });

TEST_P(MapEngineTest, AnswersAsTheHostsMaps) {
  for (const Pace& pace : kPaces) {
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
      World world(seed, pace, cases()[GetParam()].maps);
      for (unsigned round = 0; round < kRounds; ++round) {
        ASSERT_TRUE(world.round(kOperations)) << "seed " << seed << ", others have the port in " << pace.busy
                                              << " % of cycles, round " << round << ": " << world.why();
      }
    }
  }
}

// The operations above meet what they are for.
World::Seen seen_in(std::string_view name) {
  const auto found = std::ranges::find(cases(), name, &Case::name);
  World world(1, {}, found->maps);
  for (unsigned round = 0; round < kRounds; ++round) EXPECT_TRUE(world.round(kOperations)) << world.why();
  return world.seen();
}

TEST(MapEngineStimulus, FullTablesAndRefusedOperations) {
  const auto seen = seen_in("Hash");
  for (const int result : {0, -E2BIG, -EEXIST, -ENOENT}) {
    EXPECT_TRUE(seen.results.contains({CoreOp::UnitUpdate, result})) << result;
  }
  EXPECT_TRUE(seen.results.contains({CoreOp::UnitDelete, 0}));
  EXPECT_TRUE(seen.results.contains({CoreOp::UnitDelete, -ENOENT}));
}

TEST(MapEngineStimulus, TheHostIsAsked) {
  EXPECT_TRUE(seen_in("LruHash").asked.contains(CoreOp::UnitUpdate));
  EXPECT_TRUE(seen_in("Redirects").asked.contains(CoreOp::UnitRedirectMap));
  EXPECT_TRUE(seen_in("Programs").asked.contains(CoreOp::UnitTailCall));
}

TEST(MapEngineStimulus, TailCallsEnd) { EXPECT_EQ(seen_in("Programs").tail_calls, 33U); }

}  // namespace
}  // namespace forager::rtl
