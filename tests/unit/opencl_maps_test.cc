// SPDX-License-Identifier: Apache-2.0
//
// Maps in an OpenCL device's memory: the device against the interpreter on the same packets, counts when all work-items
// meet in one place, and what the host did between batches.
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <map>

#include "exec_testing.h"
#include "jit-backends/opencl/mirror.h"
#include "maps/registry.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::Rig;

constexpr unsigned kCpus = 4;

MapRef map_of(isa::MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t entries) {
  // Which node a key gets, and so which an LRU map drops, depends on the seed.
  const bool seeded = isa::find_map(static_cast<std::uint32_t>(type))->name.find("hash") != std::string_view::npos;
  auto map = maps::create({.type = type,
                           .key_size = key_size,
                           .value_size = value_size,
                           .max_entries = entries,
                           .flags = seeded ? std::uint32_t{BPF_F_ZERO_SEED} : 0,
                           .name = "values"},
                          kCpus);
  EXPECT_TRUE(map) << map.error().text();
  return map ? *map : nullptr;
}

std::vector<Frame> inputs(unsigned count, std::uint64_t seed) { return testing::random_packets(count, seed, 32); }
std::map<Bytes, Bytes> contents(exec::Map& map) { return testing::contents_of(map, kCpus); }

// r7 = the packet, of 32 bytes at least.
constexpr const char* kStart = "r7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr0 = r7\nr0 += 32\nif r0 > r8 goto out\n";
constexpr const char* kEnd = "out: r0 = 2\nexit";
std::string with(const std::string& middle) { return kStart + middle + kEnd; }

class OpenclMaps : public testing::WithDevice {
 protected:
  // Two batches on each engine, each with a map of its own; verdicts, packets and maps have to be equal, whether the
  // device sees the host's memory or has copies.
  static void compare(isa::MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t entries,
                      const std::string& text) {
    for (const bool copies : {false, true}) compare(type, key_size, value_size, entries, text, {.copies = copies});
  }
  static void compare(isa::MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t entries,
                      const std::string& text, const exec::Offload& offload) {
    SCOPED_TRACE(offload.copies ? "copies" : "in place");
    Rig rig{.maps = {map_of(type, key_size, value_size, entries)}};
    Rig other = rig;
    other.maps = {map_of(type, key_size, value_size, entries)};
    const auto reference = exec::testing::open_device(rig, text);
    const auto tested = testing::open_device(other, text, {.offload = offload});
    ASSERT_TRUE(reference != nullptr && tested != nullptr) << text;
    for (const std::uint64_t seed : {1U, 2U}) {
      auto expected = inputs(500, seed), actual = inputs(500, seed);
      testing::expect_alike_runs(*reference, *tested, expected, actual, text);
      EXPECT_EQ(contents(*rig.maps[0]), contents(*other.maps[0])) << text;
    }
  }
};

// One of update, delete and lookup, by the packet's first byte; keys of which there are more than the map holds. What
// each gave stands in the packet.
std::string operations(std::uint32_t key_size) {
  std::string text;
  for (std::uint32_t at = 0; at < key_size; at += 4) {
    const unsigned bytes = std::min(4U, key_size - at);
    text += fmt::format("*(u{} *)(r10 - {}) = {}\n", 8 * bytes, 32 - at, at + 1);
  }
  return text +
         "r1 = *(u8 *)(r7 + 1)\nr1 &= 15\n*(u8 *)(r10 - 32) = r1\nr9 = *(u8 *)(r7 + 0)\nr2 = r10\nr2 += -32\n"
         "r1 = map[values] ll\nif r9 < 60 goto delete\nif r9 < 120 goto look\nr3 = r7\nr3 += 8\nr4 = *(u8 *)(r7 + 2)\n"
         "r4 &= 3\ncall bpf_map_update_elem\n*(u64 *)(r7 + 0) = r0\ngoto out\n"
         "delete: call bpf_map_delete_elem\n*(u64 *)(r7 + 0) = r0\ngoto out\n"
         "look: call bpf_map_lookup_elem\nif r0 == 0 goto out\nr1 = *(u64 *)(r0 + 0)\n*(u64 *)(r7 + 8) = r1\n"
         "r1 = *(u8 *)(r7 + 3)\n*(u8 *)(r0 + 1) = r1\n";
}

TEST_F(OpenclMaps, HashesAreTheInterpreters) {
  compare(isa::MapType::hash, 4, 8, 8, with(operations(4)));
  compare(isa::MapType::hash, 13, 11, 12, with(operations(13)));
}

TEST_F(OpenclMaps, PerCpuHashesAreTheInterpreters) {
  compare(isa::MapType::percpu_hash, 4, 11, 8, with(operations(4)));
}

// Which keys go depends on which were used: the host decides it packet by packet.
TEST_F(OpenclMaps, LruHashesDropTheInterpretersKeys) {
  compare(isa::MapType::lru_hash, 4, 8, 8, with(operations(4)));
  compare(isa::MapType::lru_percpu_hash, 8, 11, 5, with(operations(8)));
}

// One table for a long time: keys of a large range come and go on both sides, so that slots of deleted keys are swept
// among others.
TEST_F(OpenclMaps, StayTheInterpretersForLong) {
  const std::string text = with(
      "r1 = *(u16 *)(r7 + 4)\nr1 &= 1023\n*(u64 *)(r10 - 8) = r1\nr9 = *(u8 *)(r7 + 0)\nr2 = r10\nr2 += -8\n"
      "r1 = map[values] ll\nif r9 < 100 goto delete\nif r9 < 140 goto look\nr3 = r7\nr3 += 8\nr4 = 0\n"
      "call bpf_map_update_elem\n*(u64 *)(r7 + 0) = r0\ngoto out\n"
      "delete: call bpf_map_delete_elem\n*(u64 *)(r7 + 0) = r0\ngoto out\n"
      "look: call bpf_map_lookup_elem\nif r0 == 0 goto out\nr1 = *(u64 *)(r0 + 0)\n*(u64 *)(r7 + 8) = r1\n");
  for (const auto type :
       {isa::MapType::hash, isa::MapType::lru_hash, isa::MapType::percpu_hash, isa::MapType::lru_percpu_hash}) {
    for (const bool copies : {false, true}) {
      Rig rig{.maps = {map_of(type, 8, 8, 200)}}, other{.maps = {map_of(type, 8, 8, 200)}};
      const auto reference = exec::testing::open_device(rig, text);
      const auto tested = testing::open_device(other, text, {.offload = {.copies = copies, .batch = 150}});
      ASSERT_TRUE(reference != nullptr && tested != nullptr);
      for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        for (exec::Map* map : {rig.maps[0].get(), other.maps[0].get()}) {
          for (std::uint64_t key = seed * 7 % 13; key < 1024 && seed % 3 == 0; key += 13) {
            const std::uint64_t values[kCpus] = {seed, key, 3, 4};
            std::ignore = key % 2 == 0 ? map->erase(&key) : map->write(&key, values, 0);
          }
        }
        auto expected = inputs(400, seed), actual = inputs(400, seed);
        testing::expect_alike_runs(*reference, *tested, expected, actual, fmt::format("seed {}", seed));
        ASSERT_EQ(contents(*rig.maps[0]), contents(*other.maps[0])) << seed;
      }
    }
  }
}

// Stopped again and again, with launches on their way: no packet runs before its time, and none twice.
TEST_F(OpenclMaps, StopInOrder) {
  const std::string text = with(
      "*(u64 *)(r10 - 8) = 0\n*(u64 *)(r10 - 16) = 0\nr2 = r10\nr2 += -8\nr3 = r10\nr3 += -16\nr4 = 1\n"
      "r1 = map[values] ll\ncall bpf_map_update_elem\nr2 = r10\nr2 += -8\nr1 = map[values] ll\n"
      "call bpf_map_lookup_elem\nif r0 == 0 goto out\nr1 = 1\nr1 = atomic_fetch_add((u64 *)(r0 + 0), r1)\n"
      "*(u64 *)(r7 + 0) = r1\nr1 += 1\n*(u64 *)(r10 - 8) = r1\nr2 = r10\nr2 += -8\nr3 = r10\nr3 += -8\nr4 = 1\n"
      "r1 = map[values] ll\ncall bpf_map_update_elem\n*(u64 *)(r7 + 8) = r0\nr2 = r10\nr2 += -8\n"
      "r1 = map[values] ll\ncall bpf_map_delete_elem\n*(u64 *)(r7 + 16) = r0\n");
  for (const bool copies : {false, true}) {
    Rig rig{.maps = {map_of(isa::MapType::hash, 8, 8, 2)}};
    const auto device = testing::open_device(rig, text, {.offload = {.copies = copies, .batch = 20}});
    ASSERT_NE(device, nullptr);
    auto frames = inputs(3000, 1);
    ASSERT_TRUE(device->run(frames));
    for (std::uint64_t i = 0; i < frames.size(); ++i) {
      std::uint64_t words[3] = {};
      std::memcpy(words, frames[i].packet().data(), sizeof words);
      ASSERT_THAT(words, ::testing::ElementsAre(i, 0, 0)) << i;
    }
    const auto counters = device->counters();
    EXPECT_EQ(counters.packets, frames.size());
    EXPECT_TRUE(std::ranges::any_of(counters.metrics, [](const auto& metric) {
      return metric.name == std::string("stops_for_maps") && metric.value > 5;
    }));
    EXPECT_EQ(contents(*rig.maps[0]).size(), 1U);
  }
}

// A packet that changes more than the log has room for: what it did last is there all the same.
TEST_F(OpenclMaps, OverflowTheirLog) {
  const auto put = [](unsigned key) {
    return fmt::format(
        "*(u32 *)(r10 - 4) = {}\n*(u64 *)(r10 - 16) = r6\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\n"
        "r1 = map[values] ll\ncall bpf_map_update_elem\n",
        key);
  };
  const std::string remove =
      "*(u32 *)(r10 - 4) = 2\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall bpf_map_delete_elem\n";
  const std::string text =
      with("r6 = 1500\n" + put(2) + "again: " + put(1) + "r6 -= 1\nif r6 != 0 goto again\n" + put(3) + remove);
  for (const auto type : {isa::MapType::lru_hash, isa::MapType::hash}) {
    for (const bool copies : {false, true}) {
      for (const exec::Order order : {exec::Order::packet, exec::Order::none}) {
        const Rig rig{.maps = {map_of(type, 4, 8, 8)}};
        const auto device = testing::open_device(rig, text, {.order = order, .offload = {.copies = copies}});
        ASSERT_NE(device, nullptr);
        for (unsigned round = 0; round < 2; ++round) {
          auto frames = inputs(1, 1);
          ASSERT_TRUE(device->run(frames));
          const auto all = contents(*rig.maps[0]);
          EXPECT_EQ(all.size(), 2U);
          EXPECT_TRUE(all.contains({1, 0, 0, 0}) && all.contains({3, 0, 0, 0}));
          EXPECT_EQ(all.at({1, 0, 0, 0})[0], 1U);
        }
      }
    }
  }
}

// A key that goes and comes back in one batch is a new one: other CPUs' values are zero.
TEST_F(OpenclMaps, KeysThatComeBackAreNew) {
  const Rig rig{.maps = {map_of(isa::MapType::percpu_hash, 4, 8, 4)}, .engine = testing::opencl_here()};
  const std::uint32_t key = 5;
  const std::uint64_t before[kCpus] = {1, 2, 3, 4};
  ASSERT_EQ(rig.maps[0]->write(&key, before, 0), 0);
  const auto device = exec::testing::open_device(
      rig, with("*(u32 *)(r10 - 4) = 5\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall bpf_map_delete_elem\n"
                "*(u64 *)(r10 - 16) = 9\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 1\nr1 = map[values] ll\n"
                "call bpf_map_update_elem\n"));
  ASSERT_NE(device, nullptr);
  auto frames = inputs(1, 1);
  ASSERT_TRUE(device->run(frames));
  std::uint64_t after[kCpus] = {};
  ASSERT_EQ(rig.maps[0]->read(&key, after, 0), 0);
  EXPECT_THAT(after, ::testing::ElementsAre(9, 0, 0, 0));
}

// A key that comes, goes and comes back may get its old node: it is a new entry all the same.
TEST_F(OpenclMaps, KeysComeBackInTheSameNode) {
  const std::string toggle =
      "*(u32 *)(r10 - 4) = 7\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall bpf_map_lookup_elem\n"
      "if r0 == 0 goto insert\nr1 = *(u64 *)(r0 + 0)\nr1 += 1\n*(u64 *)(r0 + 0) = r1\n*(u64 *)(r7 + 8) = r1\n"
      "r1 = *(u8 *)(r7 + 0)\nif r1 < 100 goto out\nr2 = r10\nr2 += -4\nr1 = map[values] ll\n"
      "call bpf_map_delete_elem\ngoto out\ninsert: r1 = *(u64 *)(r7 + 16)\n*(u64 *)(r10 - 16) = r1\nr2 = r10\n"
      "r2 += -4\nr3 = r10\nr3 += -16\nr4 = 1\nr1 = map[values] ll\ncall bpf_map_update_elem\n";
  compare(isa::MapType::hash, 4, 8, 4, with(toggle));
  compare(isa::MapType::percpu_hash, 4, 8, 4, with(toggle));
  compare(isa::MapType::lru_hash, 4, 8, 4, with(toggle));
}

TEST_F(OpenclMaps, ArraysAreTheInterpreters) {
  compare(isa::MapType::array, 4, 12, 9,
          with("r1 = *(u8 *)(r7 + 1)\nr1 &= 15\n*(u32 *)(r10 - 32) = r1\nr2 = r10\n"
               "r2 += -32\n" +
               operations(4).substr(operations(4).find("r9 = "))));
}

TEST_F(OpenclMaps, PerCpuArraysAreTheInterpreters) {
  compare(isa::MapType::percpu_array, 4, 8, 4,
          with("*(u32 *)(r10 - 4) = 2\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall bpf_map_lookup_elem\n"
               "if r0 == 0 goto out\nr1 = *(u8 *)(r7 + 0)\nr2 = *(u64 *)(r0 + 0)\nr2 += r1\n*(u64 *)(r0 + 0) = r2\n"
               "*(u64 *)(r7 + 8) = r2\n"));
}

// Their sizes are in the kernel.
TEST_F(OpenclMaps, HaveTheShapeThatTheProgramWasVerifiedWith) {
  const Rig rig{.maps = {map_of(isa::MapType::hash, 4, 8, 4)}};
  const auto device = testing::open_device(rig, with(operations(4)), {});
  ASSERT_NE(device, nullptr);
  for (const MapRef& other : {map_of(isa::MapType::hash, 4, 4, 4), map_of(isa::MapType::hash, 8, 8, 4),
                              map_of(isa::MapType::array, 4, 8, 4), map_of(isa::MapType::hash, 4, 8, 5), MapRef{}}) {
    const auto bound = device->bind(0, other);
    ASSERT_FALSE(bound);
    EXPECT_THAT(bound.error().text(), ::testing::HasSubstr("map values"));
  }
}

constexpr const char* kCount =
    "*(u32 *)(r10 - 4) = 0\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\n"
    "r1 = 1\nlock *(u64 *)(r0 + 0) += r1\nlock *(u32 *)(r0 + 8) += r1\n";

TEST_F(OpenclMaps, CountAllWorkItems) {
  const Rig rig{.maps = {map_of(isa::MapType::array, 4, 16, 1)}, .engine = testing::opencl_here()};
  const auto device = exec::testing::open_device(rig, with(kCount));
  ASSERT_NE(device, nullptr);
  constexpr unsigned kPackets = 50'000;
  auto frames = inputs(kPackets, 3);
  ASSERT_TRUE(device->run(frames));
  std::uint64_t value[2] = {};
  const std::uint32_t key = 0;
  ASSERT_EQ(rig.maps[0]->read(&key, value, 0), 0);
  EXPECT_EQ(value[0], kPackets);
  EXPECT_EQ(value[1], kPackets);
}

// With results, which come in any order but none twice.
TEST_F(OpenclMaps, GiveEachWorkItemANumberOfItsOwn) {
  const Rig rig{.maps = {map_of(isa::MapType::array, 4, 8, 1)}, .engine = testing::opencl_here()};
  const auto device = testing::open_device(
      rig,
      with("r6 = map[values][0] + 0 ll\nr1 = 1\nr1 = atomic_fetch_add((u64 *)(r6 + 0), r1)\n*(u64 *)(r7 + 0) = r1\n"),
      {.order = exec::Order::none});
  ASSERT_NE(device, nullptr);
  auto frames = inputs(4096, 5);
  ASSERT_TRUE(device->run(frames));
  std::vector<bool> seen(frames.size(), false);
  for (const Frame& frame : frames) {
    std::uint64_t number = 0;
    std::memcpy(&number, frame.packet().data(), sizeof number);
    ASSERT_LT(number, seen.size());
    EXPECT_FALSE(seen[number]);
    seen[number] = true;
  }
}

// What the host wrote stays where the device did nothing, and is what the next batch sees.
TEST_F(OpenclMaps, MeetTheHostBetweenBatches) {
  const Rig rig{.maps = {map_of(isa::MapType::array, 4, 24, 1)}, .engine = testing::opencl_here()};
  const auto device = exec::testing::open_device(rig, with(kCount));
  ASSERT_NE(device, nullptr);
  auto frames = inputs(10, 7);
  ASSERT_TRUE(device->run(frames));
  const std::uint32_t key = 0;
  const std::uint64_t written[3] = {1000, 0, 77};
  ASSERT_EQ(rig.maps[0]->write(&key, written, 0), 0);
  ASSERT_TRUE(device->run(frames));
  std::uint64_t value[3] = {};
  ASSERT_EQ(rig.maps[0]->read(&key, value, 0), 0);
  EXPECT_THAT(value, ::testing::ElementsAre(1010, 10, 77));
}

TEST(OpenclMirror, TakesWordsThatChangedAndNoOthers) {
  const Table table = *table_of({.type = isa::MapType::array, .key_size = 4, .value_size = 16, .max_entries = 2});
  const MapRef map = map_of(isa::MapType::array, 4, 16, 2);
  const auto mirror = make_mirror(table, *map, {});
  std::vector<std::byte> memory(table.bytes(1));
  mirror->put(memory, 0);
  const std::uint32_t key = 1;
  const std::uint64_t hosts[2] = {5, 6};
  ASSERT_EQ(map->write(&key, hosts, 0), 0);
  const std::uint64_t devices = 9;
  std::memcpy(memory.data() + table.stride(), &devices, sizeof devices);
  mirror->take(memory);
  std::uint64_t value[2] = {};
  ASSERT_EQ(map->read(&key, value, 0), 0);
  EXPECT_THAT(value, ::testing::ElementsAre(9, 6));
}

// Two who count in one place: what each added counts.
TEST(OpenclMirror, AddsWhatTheDeviceAdded) {
  const Table table = *table_of({.type = isa::MapType::array, .key_size = 4, .value_size = 16, .max_entries = 1});
  const MapRef map = map_of(isa::MapType::array, 4, 16, 1);
  const auto mirror = make_mirror(table, *map, {.merge = Merge::add64});
  const std::uint32_t key = 0;
  const std::uint64_t first[2] = {100, 0};
  ASSERT_EQ(map->write(&key, first, 0), 0);
  std::vector<std::byte> memory(table.bytes(1));
  mirror->put(memory, 0);
  const std::uint64_t hosts[2] = {105, 1}, devices[2] = {107, 0};
  ASSERT_EQ(map->write(&key, hosts, 0), 0);
  std::memcpy(memory.data(), devices, sizeof devices);
  mirror->take(memory);
  std::uint64_t value[2] = {};
  ASSERT_EQ(map->read(&key, value, 0), 0);
  EXPECT_THAT(value, ::testing::ElementsAre(112, 1));
}

TEST(OpenclMirror, AddsWhereProgramsDoNothingElse) {
  const Rig rig{.maps = {map_of(isa::MapType::array, 4, 16, 1)}};
  const auto merge = [&](const char* operation) {
    const auto program =
        exec::testing::verified(rig, with(std::string("r6 = map[values][0] + 0 ll\nr1 = 1\n") + operation));
    return merge_of(*program, 0);
  };
  EXPECT_EQ(merge("lock *(u64 *)(r6 + 0) += r1\nlock *(u64 *)(r6 + 8) += r1\n"), Merge::add64);
  EXPECT_EQ(merge("lock *(u32 *)(r6 + 4) += r1\n"), Merge::add32);
  EXPECT_EQ(merge("lock *(u64 *)(r6 + 0) += r1\nlock *(u32 *)(r6 + 8) += r1\n"), Merge::store);
  EXPECT_EQ(merge("lock *(u64 *)(r6 + 0) |= r1\n"), Merge::store);
  EXPECT_EQ(merge("lock *(u64 *)(r6 + 0) += r1\nr2 = *(u64 *)(r6 + 0)\n*(u64 *)(r7 + 0) = r2\n"), Merge::store);
}

// A map of one key, which somebody deletes after so many lookups.
class VanishingMap final : public exec::testing::FakeMap {
 public:
  VanishingMap(isa::MapType type, int lookups)
      : FakeMap({.type = type, .key_size = 8, .value_size = 8, .max_entries = 4, .name = "values"}, 2),
        left_(lookups) {}
  void* lookup(const void*, unsigned cpu) override { return left_-- > 0 ? &values_[cpu] : nullptr; }
  int next_key(const void* key, void* next) override {
    std::memset(next, 7, 8);
    return key == nullptr ? 0 : -ENOENT;
  }
  [[nodiscard]] std::optional<std::uint64_t> generation() const override { return 1; }
  [[nodiscard]] const std::uint64_t* values() const { return values_; }

 private:
  int left_;
  std::uint64_t values_[2] = {};
};

// Programs that still find such a key reach no memory but the table's.
TEST(OpenclMirror, MeetsKeysThatGoMeanwhile) {
  for (const auto type : {isa::MapType::hash, isa::MapType::percpu_hash, isa::MapType::lru_percpu_hash}) {
    const Table table = *table_of({.type = type, .key_size = 8, .value_size = 8, .max_entries = 4});
    for (int lookups = 1; lookups < 4; ++lookups) {
      VanishingMap map(type, lookups);
      const auto mirror = make_mirror(table, map, {.lanes = 2, .shared = true});
      std::vector<std::byte> memory(table.bytes(2), std::byte{0xaa});
      const auto begin = reinterpret_cast<std::uintptr_t>(memory.data());
      mirror->put(memory, begin);
      const std::size_t node = table.node_at(1, 2);
      const auto place = value_at<std::uint64_t>(memory, node), apart = value_at<std::uint64_t>(memory, node + 8);
      const bool in_table = place == begin + node + table.value_in_node() && apart == table.stride();
      const bool on_host =
          place == reinterpret_cast<std::uintptr_t>(map.values()) && apart == (table.per_cpu ? 8U : 0U);
      EXPECT_TRUE(in_table || on_host) << lookups;
    }
  }
}

// Numbers that no table has end nowhere, whatever else is in it.
void meet_nonsense(isa::MapType type, bool strict) {
  const Table table = *table_of({.type = type, .key_size = 12, .value_size = 12, .max_entries = 4});
  const MapRef map = map_of(type, 12, 12, 4);
  const std::uint32_t key[3] = {3};
  const std::uint64_t values[2 * kCpus] = {4};
  ASSERT_EQ(map->write(&key, values, 0), 0);
  const auto mirror = make_mirror(table, *map, {.lanes = 2, .strict = strict});
  std::vector<std::byte> memory(table.bytes(2));
  mirror->put(memory, 0);
  std::uint64_t seed = 1;
  for (unsigned round = 0; round < 100; ++round) {
    // Large numbers, small ones, or those of nodes that may be.
    const unsigned shift = 32 + 8 * (round % 4);
    const std::size_t end = round % 3 == 0 ? memory.size() : table.nodes_at();
    for (std::size_t at = 0; at < end; at += 4) {
      seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
      put_value(memory, at, static_cast<std::uint32_t>(seed >> shift));
    }
    if (round % 5 != 0) put_value(memory, 20, table.log_entries() - round % 7);
    mirror->take(memory);
    EXPECT_LE(contents(*map).size(), 4U);
    mirror->put(memory, 0);
  }
}

TEST(OpenclMirror, DoesNotTrustTheDevice) {
  for (const auto type :
       {isa::MapType::hash, isa::MapType::percpu_hash, isa::MapType::lru_hash, isa::MapType::lru_percpu_hash}) {
    for (const bool strict : {false, true}) meet_nonsense(type, strict);
  }
}

}  // namespace
}  // namespace forager::jit::opencl
