// SPDX-License-Identifier: Apache-2.0
//
// Locks and timers in values: no copy touches them, BPF_F_LOCK makes copies that programs under the lock never tear,
// and the timers of a value that goes are told. And take(): of several callers one gets a key.
#include <gmock/gmock.h>

#include <numeric>
#include <thread>

#include "exec/spin_lock.h"
#include "maps/value_fields.h"
#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

using Kind = program::ValueField::Kind;
using Field = program::ValueField;

MapSpec spec_of(MapType type, std::uint32_t value_size, std::vector<Field> fields, std::uint32_t entries = 8) {
  MapSpec spec{.type = type, .key_size = 4, .value_size = value_size, .max_entries = entries, .name = "values"};
  spec.fields = std::move(fields);
  return spec;
}

// Counting bytes, from `first` on.
Bytes counting(std::size_t size, std::uint8_t first) {
  Bytes bytes(size, '\0');
  std::iota(bytes.begin(), bytes.end(), static_cast<char>(first));
  return bytes;
}

Bytes zeroed(Bytes bytes, const std::vector<Field>& fields) {
  for (const Field& field : fields) bytes.replace(field.offset, field.size, Bytes(field.size, '\0'));
  return bytes;
}

Bytes read(Map& map, std::uint32_t key, std::uint64_t flags = 0) {
  Bytes value(map.spec().value_size, '?');
  EXPECT_EQ(map.read(&key, value.data(), flags), 0);
  return value;
}

char* in_place(Map& map, std::uint32_t key) { return static_cast<char*>(map.lookup(&key, 0)); }

// ---- copies ----

TEST(ValueFieldsOf, AnyLayoutIsCopiedAroundItsFields) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const std::uint32_t size = 4 + random() % 60;
    std::vector<Field> fields;
    for (std::uint32_t at = 4 * (random() % 4); at + 4 <= size; at += 4 * (1 + random() % 5)) {
      const bool timer = at % 8 == 0 && at + 16 <= size && random() % 2 == 0;
      fields.push_back({timer ? Kind::timer : Kind::opaque, at, timer ? 16U : 4U});
      at += timer ? 16 : 4;
    }
    std::ranges::shuffle(fields, random);
    const ValueFields of(spec_of(MapType::array, size, fields));
    EXPECT_EQ(of.any(), !fields.empty());
    alignas(8) std::array<std::byte, 64> storage{};
    std::ranges::fill(storage, std::byte{0xee});
    const Bytes value = counting(size, 1);
    of.copy_in(storage.data(), value.data());
    Bytes out(size, '?');
    of.copy_out(out.data(), storage.data());
    ASSERT_EQ(out, zeroed(value, fields)) << "size " << size;
    for (const Field& field : fields) {
      for (std::uint32_t at = field.offset; at < field.offset + field.size; ++at) {
        ASSERT_EQ(storage[at], std::byte{0xee}) << "size " << size << ", byte " << at;
      }
    }
  }
}

TEST(ValueFieldsOf, FieldsBeyondTheValueHarmNothing) {
  const ValueFields of(spec_of(MapType::array, 6, {{Kind::opaque, 5, 100}, {Kind::opaque, 400, 8}}));
  alignas(8) std::array<std::byte, 8> storage{};
  const Bytes value = counting(6, 1);
  of.copy_in(storage.data(), value.data());
  Bytes out(6, '?');
  of.copy_out(out.data(), storage.data());
  EXPECT_EQ(out, Bytes({1, 2, 3, 4, 0, 0}));
}

class FieldsOfMaps : public ::testing::TestWithParam<MapType> {};
INSTANTIATE_TEST_SUITE_P(Types, FieldsOfMaps, ::testing::Values(MapType::array, MapType::hash),
                         [](const auto& info) { return info.param == MapType::array ? "array" : "hash"; });

const std::vector<Field> kLock = {{Kind::spin_lock, 4, 4}};

TEST_P(FieldsOfMaps, UpdatesLeaveThemAloneAndReadsGiveZeros) {
  const auto map = make(spec_of(GetParam(), 20, kLock));
  const std::uint32_t key = 3;
  ASSERT_EQ(map->write(&key, counting(20, 1).data(), BPF_ANY), 0);
  EXPECT_EQ(read(*map, key), zeroed(counting(20, 1), kLock));
  EXPECT_EQ(std::memcmp(in_place(*map, key) + 4, "\0\0\0\0", 4), 0);
  std::memcpy(in_place(*map, key) + 4, "\1\0\0\0", 4);  // somebody holds it
  EXPECT_EQ(read(*map, key), zeroed(counting(20, 1), kLock));
  if (GetParam() == MapType::hash) return;  // where the next value stands elsewhere
  ASSERT_EQ(map->update(&key, counting(20, 50).data(), BPF_EXIST, 0), 0);
  EXPECT_EQ(std::memcmp(in_place(*map, key) + 4, "\1\0\0\0", 4), 0);
  EXPECT_EQ(read(*map, key), zeroed(counting(20, 50), kLock));
}

TEST_P(FieldsOfMaps, LockedUpdatesAreInPlace) {
  const auto map = make(spec_of(GetParam(), 20, kLock));
  const std::uint32_t key = 3;
  ASSERT_EQ(map->write(&key, counting(20, 1).data(), BPF_F_LOCK), 0);
  const char* where = in_place(*map, key);
  ASSERT_EQ(map->write(&key, counting(20, 9).data(), BPF_F_LOCK | BPF_EXIST), 0);
  EXPECT_EQ(in_place(*map, key), where);
  EXPECT_EQ(read(*map, key, BPF_F_LOCK), zeroed(counting(20, 9), kLock));
  EXPECT_EQ(std::memcmp(where + 4, "\0\0\0\0", 4), 0) << "the lock is free again";
  EXPECT_EQ(map->write(&key, counting(20, 9).data(), BPF_F_LOCK | BPF_NOEXIST), -EEXIST);
  EXPECT_EQ(map->write(&key, counting(20, 9).data(), BPF_F_LOCK | 3), -EINVAL);
}

TEST_P(FieldsOfMaps, WithoutALockThereIsNoLocking) {
  const std::uint32_t key = 1;
  for (const auto& fields : {std::vector<Field>{}, std::vector<Field>{{Kind::timer, 0, 16}}}) {
    const auto map = make(spec_of(GetParam(), 20, fields));
    Bytes value(20, 'x');
    EXPECT_EQ(map->write(&key, value.data(), BPF_F_LOCK), -EINVAL);
    EXPECT_EQ(map->update(&key, value.data(), BPF_F_LOCK, 0), -EINVAL);
    ASSERT_EQ(map->write(&key, value.data(), BPF_ANY), 0);
    EXPECT_EQ(map->read(&key, value.data(), BPF_F_LOCK), -EINVAL);
    EXPECT_EQ(map->read(&key, value.data(), 8), -EINVAL);
  }
}

TEST_P(FieldsOfMaps, LockedCopiesAreWholeAmongThemselvesAndBesidePrograms) {
  const auto map = make(spec_of(GetParam(), 40, {{Kind::spin_lock, 0, 4}}));
  const std::uint32_t key = 2;
  ASSERT_EQ(map->write(&key, Bytes(40, 0).data(), BPF_ANY), 0);
  constexpr int kRounds = 3000;
  const auto lock_held = [&](auto change) {
    char* value = in_place(*map, key);
    auto& lock = *reinterpret_cast<std::uint32_t*>(value);
    exec::lock_value(lock);
    change(reinterpret_cast<std::uint64_t*>(value + 8));
    exec::unlock_value(lock);
  };
  std::vector<std::jthread> threads;
  threads.emplace_back([&] {  // a program
    for (std::uint64_t i = 0; i < kRounds; ++i) {
      lock_held([i](std::uint64_t* words) {
        for (int at = 0; at < 4; ++at) __atomic_store_n(&words[at], i << 8, __ATOMIC_RELAXED);
      });
    }
  });
  threads.emplace_back([&] {
    for (int i = 0; i < kRounds; ++i)
      EXPECT_EQ(map->write(&key, Bytes(40, static_cast<char>(i)).data(), BPF_F_LOCK), 0);
  });
  for (int i = 0; i < kRounds; ++i) {
    const Bytes value = read(*map, key, BPF_F_LOCK);
    for (std::size_t at = 16; at < 40; at += 8) ASSERT_EQ(value.substr(8, 8), value.substr(at, 8));
  }
}

// ---- timers ----

class Ended : public exec::ValueHooks {
 public:
  void released(Map&, void* value) override { values.push_back(value); }
  std::vector<void*> values;
};

const std::vector<Field> kTimer = {{Kind::timer, 8, 16}};

TEST(Timers, OfAnArraysValueEndWhenItIsOverwritten) {
  Ended ended;
  const auto map = make(spec_of(MapType::array, 24, kTimer));
  map->set_hooks(&ended);
  const std::uint32_t key = 5;
  ASSERT_EQ(map->write(&key, Bytes(24, 'a').data(), BPF_ANY), 0);
  ASSERT_EQ(map->update(&key, Bytes(24, 'b').data(), BPF_EXIST, 0), 0);
  EXPECT_EQ(map->update(&key, Bytes(24, 'b').data(), BPF_NOEXIST, 0), -EEXIST);
  void* value = in_place(*map, key);
  EXPECT_THAT(ended.values, ::testing::ElementsAre(value, value));
}

TEST(Timers, OfElementsEndWhenTheyGo) {
  for (const auto type : {MapType::hash, MapType::lru_hash}) {
    Ended ended;
    const auto map = make(spec_of(type, 24, kTimer, 2));
    map->set_hooks(&ended);
    std::uint32_t key = 1;
    const auto insert = [&] {
      EXPECT_EQ(map->write(&key, Bytes(24, 'a').data(), BPF_ANY), 0);
      return static_cast<void*>(in_place(*map, key));
    };
    void* first = insert();
    EXPECT_TRUE(ended.values.empty());
    void* second = insert();  // replaces the first
    EXPECT_THAT(ended.values, ::testing::ElementsAre(first));
    ASSERT_EQ(map->erase(&key), 0);
    EXPECT_THAT(ended.values, ::testing::ElementsAre(first, second));
    void* third = insert();
    Bytes taken(24, '?');
    ASSERT_EQ(map->take(&key, taken.data(), 0), 0);
    EXPECT_EQ(taken, zeroed(Bytes(24, 'a'), kTimer));
    EXPECT_THAT(ended.values, ::testing::ElementsAre(first, second, third));
    if (type != MapType::lru_hash) continue;
    for (key = 10; key < 13; ++key) insert();  // the third pushes one out
    EXPECT_EQ(ended.values.size(), 4U);
  }
}

// ---- elements in place ----

TEST(ElementsOf, KeysAreFoundByTheirValues) {
  for (const auto type : {MapType::array, MapType::hash, MapType::lru_hash, MapType::percpu_array, MapType::percpu_hash,
                          MapType::lru_percpu_hash}) {
    const auto map = make(spec_of(type, 12, {}, 50));
    for (std::uint32_t key = 0; key < 50; ++key) ASSERT_EQ(map->update(&key, Bytes(12, 'x').data(), BPF_ANY, 1), 0);
    for (std::uint32_t key = 0; key < 50; ++key) {
      for (const unsigned cpu : {0U, 1U}) {
        std::uint32_t found = 99;
        map->abilities().elements->key_of(map->abilities().elements->peek(&key, cpu), &found);
        ASSERT_EQ(found, key);
      }
    }
  }
}

TEST(ElementsOf, AWalkGoesOnBehindAKeyThatIsGone) {
  for (const auto type : {MapType::hash, MapType::lru_hash, MapType::percpu_hash, MapType::lru_percpu_hash}) {
    const auto map = make(spec_of(type, 8, {}, 200));
    for (std::uint32_t key = 0; key < 100; ++key) ASSERT_EQ(map->update(&key, Bytes(8, 'x').data(), BPF_ANY, 0), 0);
    std::set<std::uint32_t> seen;
    std::uint32_t at = 0;
    for (int end = map->abilities().elements->next(nullptr, &at); end == 0;) {
      EXPECT_TRUE(seen.insert(at).second);
      EXPECT_EQ(map->erase(&at), 0);
      // 200 steps of other walks, more than the map remembers of them
      std::uint32_t other = 0;
      for (int i = 0; i < 200 && map->next_key(i == 0 ? nullptr : &other, &other) == 0; ++i) continue;
      end = map->abilities().elements->next(&at, &at);
    }
    EXPECT_EQ(seen.size(), 100U);
  }
}

// ---- take ----

TEST(Take, GivesTheValueItDeletes) {
  for (const auto type : {MapType::hash, MapType::lru_hash}) {
    const auto map = make(spec_of(type, 8, {}));
    const std::uint32_t key = 7;
    ASSERT_EQ(map->write(&key, counting(8, 1).data(), BPF_ANY), 0);
    Bytes value(8, '?');
    EXPECT_EQ(map->take(&key, value.data(), 1), -EINVAL);
    EXPECT_EQ(map->take(&key, value.data(), BPF_F_LOCK), -EINVAL);
    EXPECT_EQ(map->take(&key, value.data(), 0), 0);
    EXPECT_EQ(value, counting(8, 1));
    EXPECT_EQ(map->take(&key, value.data(), 0), -ENOENT);
  }
}

TEST(Take, GivesTheValuesOfAllCpus) {
  const auto map = make(spec_of(MapType::percpu_hash, 8, {}));
  const std::uint32_t key = 7;
  ASSERT_EQ(map->write(&key, counting(16, 1).data(), BPF_ANY), 0);
  Bytes values(16, '?');
  EXPECT_EQ(map->take(&key, values.data(), 0), 0);
  EXPECT_EQ(values, counting(16, 1));
}

TEST(Take, IsNotForTheOtherTypes) {
  const auto array = make(spec_of(MapType::array, 8, {}));
  const std::uint32_t key = 0;
  Bytes value(8, '?');
  EXPECT_EQ(array->take(&key, value.data(), 0), -exec::kNotSupported);
}

TEST(Take, WithBpfFLockWaitsForTheLock) {
  const auto map = make(spec_of(MapType::hash, 20, kLock));
  const std::uint32_t key = 7;
  ASSERT_EQ(map->write(&key, counting(20, 1).data(), BPF_ANY), 0);
  Bytes value(20, '?');
  EXPECT_EQ(map->take(&key, value.data(), BPF_F_LOCK), 0);
  EXPECT_EQ(value, zeroed(counting(20, 1), kLock));
}

// Takes four keys in turn until it is told to stop; each value is congruent to its key.
struct Taken {
  std::atomic<std::uint64_t> count = 0, sum = 0;
  std::atomic<bool> done = false;

  void take_all(Map& map) {
    std::uint64_t value = 0;
    for (std::uint32_t key = 0; !done; key = (key + 1) % 4) {
      if (map.take(&key, &value, 0) != 0) continue;
      EXPECT_EQ(value % 4, key);
      sum += value;
      ++count;
    }
  }
};

void insert_when_free(Map& map, std::uint64_t value) {
  const auto key = static_cast<std::uint32_t>(value % 4);
  while (map.write(&key, &value, BPF_NOEXIST) != 0) std::this_thread::yield();
}

// Every key is inserted again once it was taken; each insertion is taken once, and with the value it had.
void take_in_parallel(MapType type) {
  constexpr std::uint64_t kRounds = 2000;
  const auto map = make(spec_of(type, 8, {}, 64), 1);
  Taken taken;
  {
    std::array<std::jthread, 4> threads;
    for (auto& thread : threads) thread = std::jthread([&] { taken.take_all(*map); });
    for (std::uint64_t i = 0; i < kRounds; ++i) insert_when_free(*map, i);
    while (map->usage().entries != 0) std::this_thread::yield();
    taken.done = true;
  }
  EXPECT_EQ(taken.count, kRounds);
  EXPECT_EQ(taken.sum, kRounds * (kRounds - 1) / 2);
}

TEST(Take, OfSeveralCallersOneGetsTheKey) {
  for (const auto type : {MapType::hash, MapType::lru_hash, MapType::percpu_hash, MapType::lru_percpu_hash}) {
    take_in_parallel(type);
  }
}

}  // namespace
}  // namespace forager::maps::testing
