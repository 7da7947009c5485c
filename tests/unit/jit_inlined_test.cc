// SPDX-License-Identifier: Apache-2.0
//
// What compiled programs do in place of a call (lookups in hash tables, small helpers, known tail calls) is what the
// call would have done.
#include <fmt/format.h>
#include <linux/bpf.h>

#include <atomic>
#include <random>
#include <thread>

#include "exec_testing.h"
#include "jit_testing.h"
#include "maps/registry.h"

namespace forager::jit {
namespace {

using exec::Frame;
using exec::testing::as_bytes;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::open_device;
using exec::testing::Rig;
using exec::testing::run;
using exec::testing::trap_of;
using exec::testing::verified;
using isa::MapType;

constexpr std::size_t kPacket = 64;

MapRef make_map(MapType type, std::uint32_t key_size, std::uint32_t entries) {
  const std::uint32_t value_size = type == MapType::prog_array ? 4 : 8;
  return maps::create(
             {.type = type, .key_size = key_size, .value_size = value_size, .max_entries = entries, .name = "values"},
             2)
      .value();
}

// R2: the packet, of kPacket bytes; R10 - size and up: its first bytes.
std::string copy_of_packet(std::uint32_t size) {
  std::string text = fmt::format(
      "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += {}\nif r4 <= r3 goto +2\nr0 = 0\nexit\n", kPacket);
  for (std::uint32_t i = 0; i < size; ++i) {
    text +=
        fmt::format("r3 = *(u8 *)(r2 +{})\n*(u8 *)(r10 {}) = r3\n", i, static_cast<int>(i) - static_cast<int>(size));
  }
  return text;
}

class JitInlined : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::jit_here() == nullptr) GTEST_SKIP() << "no JIT of ours runs on this machine";
  }
  static Rig rig(std::vector<MapRef> maps = {}) { return {.maps = std::move(maps), .engine = testing::jit_here()}; }
};

std::uint64_t answer(exec::Device& device, const Bytes& packet) {
  Frame frame = *Frame::make(as_bytes(packet));
  EXPECT_TRUE(device.run({&frame, 1}));
  EXPECT_EQ(trap_of(frame), "");
  return frame.return_value;
}

// ---- lookups -------------------------------------------------------------------------------------------------------

std::string lookup_of_packet(std::uint32_t key_size) {
  return copy_of_packet(key_size) +
         fmt::format("r1 = map[0] ll\nr2 = r10\nr2 += -{}\ncall bpf_map_lookup_elem\n", key_size) +
         "if r0 == 0 goto +2\nr0 = *(u64 *)(r0 +0)\nexit\nr0 = 0\nexit";
}

struct Keys {
  MapType type;
  std::uint32_t size;
};
class JitLookups : public JitInlined, public ::testing::WithParamInterface<Keys> {};

TEST_P(JitLookups, FindWhatIsThere) {
  const auto& [type, size] = GetParam();
  const auto map = make_map(type, size, 64);
  const auto device = open_device(rig({map}), lookup_of_packet(size));
  ASSERT_NE(device, nullptr);
  std::mt19937_64 random(size);
  unsigned found = 0;
  for (int step = 0; step < 4000; ++step) {
    Bytes packet(kPacket);
    packet[0] = static_cast<std::uint8_t>(random() % 100);
    packet[size - 1] = static_cast<std::uint8_t>(packet[size - 1] + random() % 2);
    const std::uint64_t values[] = {1 + random() % 1000, 0};
    const auto what = random() % 3;
    if (what == 0) std::ignore = map->write(packet.data(), values, BPF_ANY);
    if (what == 1) std::ignore = map->erase(packet.data());
    const auto* expected = static_cast<const std::uint64_t*>(map->lookup(packet.data(), 0));
    ASSERT_EQ(answer(*device, packet), expected == nullptr ? 0 : *expected) << step;
    found += expected != nullptr;
  }
  EXPECT_GT(found, 500U);
}

std::vector<Keys> keys() {
  std::vector<Keys> all;
  for (const MapType type : {MapType::hash, MapType::lru_hash, MapType::percpu_hash, MapType::lru_percpu_hash}) {
    for (const std::uint32_t size : {1U, 2U, 3U, 4U, 6U, 8U, 12U, 13U, 16U, 20U}) all.push_back({type, size});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, JitLookups, ::testing::ValuesIn(keys()), [](const auto& info) {
  const isa::MapRow* row = isa::find_map(static_cast<std::uint32_t>(info.param.type));
  return std::string(row->name) + "_" + std::to_string(info.param.size);
});

TEST_F(JitInlined, LookupsKeepLruEntriesYoung) {
  const auto map = make_map(MapType::lru_hash, 8, 4);
  const auto device = open_device(rig({map}), lookup_of_packet(8));
  const std::uint64_t value = 1;
  for (std::uint64_t key = 0; key < 4; ++key) ASSERT_EQ(map->update(&key, &value, BPF_ANY, 0), 0);
  for (std::uint64_t key = 4; key < 12; ++key) {
    ASSERT_EQ(answer(*device, Bytes(kPacket)), 1U) << key;
    ASSERT_EQ(map->update(&key, &value, BPF_ANY, 0), 0);
  }
  const std::uint64_t kept = 0;
  EXPECT_NE(map->lookup(&kept, 0), nullptr);
}

// A hash map that says nothing of how it is walked.
TEST_F(JitInlined, MapsThatCannotBeWalkedAreAsked) {
  const auto map = exec::testing::make_map(MapType::hash, 8, 8, 4);
  const auto device = open_device(rig({map}), lookup_of_packet(8));
  EXPECT_EQ(answer(*device, Bytes(kPacket)), 0U);
  const std::uint64_t key = 0, value = 5;
  ASSERT_EQ(map->write(&key, &value, BPF_ANY), 0);
  EXPECT_EQ(answer(*device, Bytes(kPacket)), 5U);
}

// While its neighbours in the chains come and go, a key that stays is found each time.
TEST_F(JitInlined, KeysThatStayAreFoundWhileOthersChange) {
  const auto map = make_map(MapType::hash, 8, 8);
  const std::uint64_t kept = 0, value = 77;
  ASSERT_EQ(map->write(&kept, &value, BPF_ANY), 0);
  const auto device = open_device(rig({map}), lookup_of_packet(8));
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t i = 0; !done.load(); ++i) {
      const std::uint64_t key = 1 + i % 7;
      std::ignore = map->write(&key, &value, BPF_ANY);
      const std::uint64_t other = 1 + i * 3 % 7;
      std::ignore = map->erase(&other);
    }
  });
  unsigned missed = 0;
  for (int i = 0; i < 20000; ++i) missed += answer(*device, Bytes(kPacket)) != value;
  done = true;
  writer.join();
  EXPECT_EQ(missed, 0U);
}

// A function's own stack has something else where its caller's has the key.
TEST_F(JitInlined, KeysInACallersFrameAreReadThere) {
  const auto array = make_map(MapType::array, 4, 2);
  for (const std::uint32_t key : {0U, 1U}) {
    const std::uint64_t value = 100 + key;
    ASSERT_EQ(array->write(&key, &value, BPF_ANY), 0);
  }
  for (const std::uint32_t key : {0U, 1U, 2U, 5000U}) {
    const std::string text = fmt::format(
        "*(u32 *)(r10 -4) = {}\nr1 = r10\nr1 += -4\ncall f\nexit\n"
        "f: *(u32 *)(r10 -4) = 1\nr2 = r1\nr1 = map[0] ll\ncall bpf_map_lookup_elem\n"
        "if r0 == 0 goto +2\nr0 = *(u64 *)(r0 +0)\nexit\nr0 = 9\nexit",
        key);
    EXPECT_EQ(run(rig({array}), text).return_value, key < 2 ? 100 + key : 9) << key;
  }
}

TEST_F(JitInlined, KeysInAFunctionsOwnFrameAreKnown) {
  const auto array = make_map(MapType::array, 4, 2);
  const std::uint32_t key = 1;
  const std::uint64_t value = 101;
  ASSERT_EQ(array->write(&key, &value, BPF_ANY), 0);
  const std::string text =
      "*(u32 *)(r10 -4) = 0\ncall f\nexit\n"
      "f: *(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4\nr1 = map[0] ll\ncall bpf_map_lookup_elem\n"
      "if r0 == 0 goto +2\nr0 = *(u64 *)(r0 +0)\nexit\nr0 = 9\nexit";
  EXPECT_EQ(run(rig({array}), text).return_value, 101U);
}

// ---- helpers -------------------------------------------------------------------------------------------------------

TEST_F(JitInlined, ChecksumsOfAFewWordsAreTheHelpers) {
  std::mt19937_64 random(1);
  for (std::uint32_t size = 4; size <= 68; size += 4) {
    const std::string text =
        copy_of_packet(size < kPacket ? size : kPacket) +
        fmt::format("r5 = *(u32 *)(r2 +0)\nr3 = r10\nr3 += -{0}\nr1 = 0\nr2 = 0\nr4 = {0}\ncall bpf_csum_diff\nexit",
                    size < kPacket ? size : kPacket);
    const auto device = open_device(rig(), text);
    const auto reference = open_device({}, text);
    for (int pattern = 0; pattern < 20; ++pattern) {
      Bytes packet(kPacket);
      for (auto& byte : packet) byte = static_cast<std::uint8_t>(pattern == 1 ? 0xff : pattern == 0 ? 0 : random());
      ASSERT_EQ(answer(*device, packet), answer(*reference, packet)) << size << " " << pattern;
    }
  }
}

TEST_F(JitInlined, RandomNumbersAreTheHelpers) {
  const std::string text = "call bpf_get_prandom_u32\nr6 = r0\ncall bpf_get_prandom_u32\nr0 ^= r6\nexit";
  const auto device = open_device(rig(), text);
  const auto reference = open_device({}, text);
  std::uint64_t seen = 0;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t number = answer(*device, Bytes(kPacket));
    ASSERT_EQ(number, answer(*reference, Bytes(kPacket))) << i;
    seen |= number;
  }
  EXPECT_EQ(seen, 0xffffffffU);
}

TEST_F(JitInlined, TheLaneIsTheDevices) {
  Rig with = rig();
  for (with.cpu = 0; with.cpu < 3; ++with.cpu) {
    EXPECT_EQ(run(with, "call bpf_get_smp_processor_id\nexit").return_value, with.cpu);
  }
}

// ---- tail calls ----------------------------------------------------------------------------------------------------

constexpr const char* kTailCall = "r2 = map[0] ll\nr3 = 1\ncall bpf_tail_call\nr0 = 9\nexit";

exec::ProgramSlot slot_of(const std::string& text, std::vector<MapRef> maps = {}) {
  const Rig rig = {.maps = maps};
  return {.id = 1, .program = verified(rig, text), .maps = std::make_shared<const exec::MapList>(std::move(maps))};
}

TEST_F(JitInlined, TailCallsGoWhereTheSlotLeadsNow) {
  const auto programs = make_map(MapType::prog_array, 4, 2);
  exec::ProgramTable& table = *programs->abilities().programs;
  const auto device = open_device(rig({programs}), kTailCall);
  const std::uint32_t key = 1;
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(answer(*device, Bytes(kPacket)), 9U);
    for (const unsigned number : {4U, 5U}) {
      ASSERT_EQ(table.set(key, slot_of(fmt::format("r0 = {}\nexit", number))), 0);
      for (int again = 0; again < 2; ++again) EXPECT_EQ(answer(*device, Bytes(kPacket)), number);
    }
    ASSERT_EQ(programs->erase(&key), 0);
  }
}

// One program with two lists of maps is two targets.
TEST_F(JitInlined, TailCallsBringTheMapsOfTheSlot) {
  const auto programs = make_map(MapType::prog_array, 4, 2);
  exec::ProgramTable& table = *programs->abilities().programs;
  const auto device = open_device(rig({programs}), kTailCall);
  exec::ProgramSlot slot = slot_of("r1 = map[0][0]+0 ll\nr0 = *(u64 *)(r1 +0)\nexit", {make_map(MapType::array, 4, 1)});
  for (const std::uint64_t value : {3U, 4U}) {
    const auto array = make_map(MapType::array, 4, 1);
    const std::uint32_t key = 0;
    ASSERT_EQ(array->write(&key, &value, BPF_ANY), 0);
    slot.maps = std::make_shared<const exec::MapList>(exec::MapList{array});
    ASSERT_EQ(table.set(1, slot), 0);
    EXPECT_EQ(answer(*device, Bytes(kPacket)), value);
  }
}

// What cannot be run is told each time, not only the first.
TEST_F(JitInlined, TailCallsToProgramsOfAnotherTypeStopEachRun) {
  const auto programs = make_map(MapType::prog_array, 4, 2);
  exec::ProgramSlot slot = {.id = 1,
                            .program = verified({.type = isa::ProgType::socket_filter}, "r0 = 0\nexit"),
                            .maps = std::make_shared<const exec::MapList>()};
  ASSERT_EQ(programs->abilities().programs->set(1, slot), 0);
  const auto device = open_device(rig({programs}), kTailCall);
  for (int i = 0; i < 3; ++i) {
    Frame frame = *Frame::make(as_bytes(Bytes(kPacket)));
    ASSERT_TRUE(device->run({&frame, 1}));
    EXPECT_THAT(trap_of(frame), ::testing::HasSubstr("another type"));
  }
}

}  // namespace
}  // namespace forager::jit
