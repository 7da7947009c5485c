// SPDX-License-Identifier: Apache-2.0
//
// Objects in maps while many threads look them up, replace them and delete them: nobody gets one that is gone, every
// object that was made is destroyed, and none too early. For ThreadSanitizer and AddressSanitizer too.
#include <algorithm>
#include <atomic>
#include <thread>

#include "exec/socket.h"
#include "maps/shared_slot.h"
#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

// Counts its kind, and knows when it has been destroyed.
struct Witness {
  explicit Witness(std::atomic<int>& count) : alive(count) { ++alive; }
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;
  ~Witness() {
    magic.store(0, std::memory_order_relaxed);
    --alive;
  }
  std::atomic<int>& alive;
  std::atomic<std::uint64_t> magic{kMagic};
  static constexpr std::uint64_t kMagic = 0x600df00d;
};
using WitnessRef = std::shared_ptr<Witness>;

template <class Body>
void in_threads(unsigned count, Body body) {
  std::vector<std::jthread> threads;
  threads.reserve(count);
  for (unsigned i = 0; i < count; ++i) threads.emplace_back([=] { body(i); });
}

TEST(MapsSharedSlot, ReadersAndWritersShareOneSlot) {
  std::atomic<int> alive{0};
  std::atomic<std::uint64_t> seen{0}, replaced{0}, cleared{0}, refused{0};
  {
    SharedSlot<WitnessRef> slot;
    in_threads(8, [&](unsigned me) {
      const bool reads = me % 2 == 0;
      // On few cores the writers may be done before a reader runs: then it looks until it has seen what they left.
      for (int i = 0; i < 4000 || (reads && seen == 0); ++i) {
        if (reads) {
          const WitnessRef got = slot.get();
          if (got != nullptr) {
            EXPECT_EQ(got->magic.load(std::memory_order_relaxed), Witness::kMagic);
            ++seen;
          }
          continue;
        }
        if (i % 16 == 14) {
          const bool looks = i % 32 == 14;
          const auto is = [](const WitnessRef& held) { return held->magic == Witness::kMagic; };
          cleared += (looks ? slot.clear_if(is) : slot.clear()) ? 1U : 0U;
          continue;
        }
        SharedSlot<WitnessRef>::Fresh fresh(std::make_shared<Witness>(alive));
        SharedSlot<WitnessRef>::Retired old;
        const int error = slot.put(fresh, old, [&](bool occupied) { return me == 1 && occupied ? -EEXIST : 0; });
        refused += error != 0 ? 1U : 0U;
        replaced += error == 0 ? 1U : 0U;
      }
    });
    EXPECT_GT(seen, 0U);
    EXPECT_EQ(replaced + refused, 4 * (4000 - 250U));
    EXPECT_EQ(alive, slot.get() != nullptr ? 1 : 0) << "each of the others was destroyed, by whoever had it last";
    std::ignore = slot.clear();
  }
  EXPECT_EQ(alive, 0);
}

MapSpec inner_spec() { return {.type = MapType::array, .key_size = 4, .value_size = 8, .max_entries = 1}; }
MapSpec outer_spec(MapType type) {
  return {.type = type,
          .key_size = 4,
          .value_size = 4,
          .max_entries = 8,
          .inner = std::make_shared<const MapSpec>(inner_spec())};
}

class MapsObjectsConcurrency : public ::testing::TestWithParam<MapType> {};
INSTANTIATE_TEST_SUITE_P(All, MapsObjectsConcurrency, ::testing::Values(MapType::array_of_maps, MapType::hash_of_maps),
                         [](const auto& info) {
                           return std::string(isa::find_map(static_cast<std::uint32_t>(info.param))->name);
                         });

// An inner map holds its own key: who finds another one's map under a key, or a map that is gone, sees it.
TEST_P(MapsObjectsConcurrency, LookupsMeetOnlyTheKeysOwnMapsWhileSlotsAreReplaced) {
  auto outer = make(outer_spec(GetParam()));
  std::vector<std::weak_ptr<Map>> all[4];
  std::atomic<std::uint64_t> hits{0};
  std::atomic<int> writing{4};
  const auto replace = [&](unsigned me) {
    Random random(me);
    const std::uint32_t zero = 0;
    for (int i = 0; i < 400; ++i) {
      const auto key = static_cast<std::uint32_t>(below(random, 8));
      if (i % 5 == 4) {
        std::ignore = outer->erase(&key);
        continue;
      }
      auto inner = make(inner_spec());
      const std::uint64_t value = key;
      EXPECT_EQ(inner->write(&zero, &value, BPF_ANY), 0);
      all[me].push_back(inner);
      EXPECT_EQ(outer->abilities().maps->set(&key, {.id = key + 1, .map = std::move(inner)}, BPF_ANY), 0);
    }
    --writing;
  };
  const auto look_up = [&](unsigned me) {
    Random random(me);
    const std::uint32_t zero = 0;
    while (writing > 0) {
      const auto key = static_cast<std::uint32_t>(below(random, 8));
      const exec::MapSlot slot = outer->abilities().maps->get(&key);
      if (slot.map == nullptr) continue;
      std::uint64_t value = 0;
      EXPECT_EQ(slot.map->read(&zero, &value, 0), 0);
      EXPECT_EQ(value, key);
      EXPECT_EQ(slot.id, key + 1);
      ++hits;
    }
  };
  in_threads(8, [&](unsigned me) { me < 4 ? replace(me) : look_up(me); });
  EXPECT_GT(hits, 0U);
  const std::uint64_t entries = outer->usage().entries;
  std::uint64_t alive = 0;
  for (const auto& made : all)
    alive += static_cast<std::uint64_t>(std::ranges::count_if(made, [](const auto& map) { return !map.expired(); }));
  EXPECT_EQ(alive, entries) << "the maps in the slots are all that is left";
  outer.reset();
  for (const auto& made : all) {
    for (const auto& map : made) EXPECT_TRUE(map.expired());
  }
}

TEST(MapsObjectsConcurrency, OfManyThatPutASocketIntoAnEmptySlotOneDoes) {
  const auto map = make({.type = MapType::sockmap, .key_size = 4, .value_size = 8, .max_entries = 64});
  std::atomic<std::uint32_t> won{0};
  in_threads(8, [&](unsigned) {
    for (std::uint32_t key = 0; key < 64; ++key) {
      auto socket = std::make_shared<exec::Socket>(exec::SocketAddresses{}, 6, 1);
      const int answer = map->abilities().sockets->set(&key, std::move(socket), BPF_NOEXIST);
      EXPECT_TRUE(answer == 0 || answer == -EEXIST) << answer;
      won += answer == 0 ? 1U : 0U;
    }
  });
  EXPECT_EQ(won, 64U);
  EXPECT_EQ(map->usage().entries, 64U);
}

TEST(MapsObjectsConcurrency, StorageIsMadeOnceForEachOwnerAndGoesWithIt) {
  const auto map =
      make({.type = MapType::sk_storage, .key_size = 4, .value_size = 8, .max_entries = 0, .flags = BPF_F_NO_PREALLOC});
  constexpr std::uint64_t kOwners = 300;
  std::vector<std::shared_ptr<int>> owners;
  for (std::uint64_t i = 0; i < kOwners; ++i) owners.push_back(std::make_shared<int>());
  in_threads(8, [&](unsigned) {
    for (std::uint64_t i = 0; i < kOwners; ++i) {
      void* value = map->abilities().storage->get({i + 1, owners[i]}, nullptr, BPF_LOCAL_STORAGE_GET_F_CREATE);
      ASSERT_NE(value, nullptr);
      __atomic_fetch_add(static_cast<std::uint64_t*>(value), 1, __ATOMIC_RELAXED);
    }
  });
  for (std::uint64_t i = 0; i < kOwners; ++i) {
    const auto* value =
        static_cast<const std::uint64_t*>(map->abilities().storage->get({i + 1, owners[i]}, nullptr, 0));
    ASSERT_NE(value, nullptr);
    EXPECT_EQ(*value, 8U);
  }
  EXPECT_EQ(map->usage().entries, kOwners);
  owners.resize(10);
  EXPECT_EQ(map->usage().entries, 10U);
}

}  // namespace
}  // namespace forager::maps::testing
