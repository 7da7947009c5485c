// SPDX-License-Identifier: Apache-2.0
//
// What several have at the same time on the simulated core: threads and the host the same map, a program one map by two
// names, engine and host the same packet, programs the same stack.
#include <fmt/format.h>

#include <cstring>
#include <random>

#include "exec_testing.h"
#include "jit-backends/rtl/backend.h"
#include "maps/registry.h"

namespace forager::jit::rtl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::FakePrograms;
using exec::testing::MapRef;
using exec::testing::plain_environment;
using exec::testing::run;
using exec::testing::trap_of;
using exec::testing::verified;
using isa::MapType;

MapRef make_map(MapType type, std::uint32_t value_size, std::uint32_t entries, std::string name = "values") {
  return maps::create(
             {.type = type, .key_size = 4, .value_size = value_size, .max_entries = entries, .name = std::move(name)},
             2)
      .value();
}
std::uint64_t value_of(const MapRef& map, std::uint32_t key) {
  std::uint64_t value = 0;
  if (const void* at = map->lookup(&key, 0); at != nullptr) std::memcpy(&value, at, sizeof value);
  return value;
}
constexpr unsigned kValueAt = 80;  // of packets that bring one

std::vector<Frame> packets(std::size_t count, std::size_t bytes = 64) {
  std::vector<Frame> frames;
  for (std::uint32_t i = 0; i < count; ++i) {
    Bytes packet(bytes);
    std::memcpy(packet.data(), &i, sizeof i);
    frames.push_back(*Frame::make(exec::testing::as_bytes(packet)));
  }
  return frames;
}
std::unique_ptr<exec::Device> open(const std::string& text, const std::vector<MapRef>& maps, bool ordered = false,
                                   std::uint64_t budget = 1 << 20) {
  const auto image = backend().compile(verified({.maps = maps}, text), {});
  auto device = backend().open({.environment = &plain_environment(),
                                .order = ordered ? exec::Order::packet : exec::Order::none,
                                .instruction_budget = budget});
  EXPECT_TRUE((*device)->load(*image));
  for (std::uint32_t i = 0; i < maps.size(); ++i) EXPECT_TRUE((*device)->bind(i, maps[i]));
  return std::move(*device);
}

// Both engines, the same packet.
void expect_same(const std::string& text, const std::vector<MapRef>& maps = {}) {
  const Bytes packet(64, 7);
  const Frame mine = run({.maps = maps, .engine = &backend()}, text, packet), its = run({.maps = maps}, text, packet);
  EXPECT_EQ(trap_of(mine), trap_of(its));
  EXPECT_EQ(mine.return_value, its.return_value);
  EXPECT_TRUE(std::ranges::equal(mine.packet(), its.packet())) << text;
}

// ---- threads and the host ------------------------------------------------------------------------------------------

// A full LRU map: for each packet the host chooses which entry goes, while other threads count in the one that is used
// most, which came in the same batch.
TEST(RtlCoherence, CountsGoOnWhileTheHostUpdates) {
  const MapRef map = make_map(MapType::lru_hash, 8, 256);
  std::string count =
      "r6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +4)\nr0 = r6\nr0 += 4\nif r0 > r7 goto out\nr8 = *(u32 *)(r6 +0)\n"
      "r8 += 1000\n*(u64 *)(r10 -16) = 0\n*(u32 *)(r10 -4) = 0\n"
      // The first one makes the entry that all count in.
      "r1 = map[values] ll\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 1\ncall bpf_map_update_elem\n"
      "r1 = map[values] ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\nr9 = r0\n"
      "*(u32 *)(r10 -4) = r8\nr1 = map[values] ll\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\n"
      "call bpf_map_update_elem\nr0 = -1\nr1 = 1\n";
  constexpr unsigned kTimes = 60, kPackets = 300;
  for (unsigned i = 0; i < kTimes; ++i) count += "r0 *= r8\nlock *(u64 *)(r9 +0) += r1\n";
  const auto device = open(count + "exit\nout: r0 = 1\nexit", {map});
  auto frames = packets(kPackets);
  ASSERT_TRUE(device->run(frames));
  for (const Frame& frame : frames) EXPECT_EQ(trap_of(frame), "");
  EXPECT_EQ(value_of(map, 0), kTimes * kPackets);
}

// All threads work on few entries, with rows of packets between: tables that the host can follow, values that are of
// their keys, and no node that was lost.
class RtlTables : public ::testing::TestWithParam<exec::MapSpec> {};

TEST_P(RtlTables, HoldUnderAllThreads) {
  const exec::MapSpec spec = GetParam();
  const MapRef map = maps::create(spec, 2).value();
  const std::string text = fmt::format(
      "r6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +4)\nr0 = r6\nr0 += 200\nif r0 > r7 goto out\nr8 = *(u8 *)(r6 +64)\n"
      "r2 = r6\nr1 = map[values] ll\nif r8 == 0 goto erase\nif r8 == 1 goto find\nr3 = r6\nr3 += {0}\nr4 = 0\n"
      "call bpf_map_update_elem\nexit\nerase: call bpf_map_delete_elem\nexit\nfind: call bpf_map_lookup_elem\n"
      "if r0 == 0 goto out\nr0 = *(u64 *)(r0 +0)\nexit\nout: r0 = 1\nexit",
      kValueAt);
  const auto image = backend().compile(verified({.maps = {map}}, text), {});
  auto device = backend().open({.environment = &plain_environment(),
                                .order = exec::Order::none,
                                .simulation = {.gap = 40, .back_pressure = 40},
                                .instruction_budget = 1 << 20});
  ASSERT_TRUE((*device)->load(*image));
  ASSERT_TRUE((*device)->bind(0, map));
  std::mt19937 random(spec.key_size + spec.value_size);
  std::vector<Frame> frames;
  for (unsigned i = 0; i < 600; ++i) {
    const bool last = i >= 500;  // only updates, of many keys
    const auto key = static_cast<std::uint8_t>(random() % (last ? 200 : 12));
    Bytes packet(200 + random() % 400);
    packet[64] = last ? 2 : static_cast<std::uint8_t>(random() % 4);
    std::fill_n(packet.begin(), spec.key_size, key);
    std::fill_n(packet.begin() + kValueAt, spec.value_size, key);
    frames.push_back(*Frame::make(exec::testing::as_bytes(packet)));
  }
  const auto ran = (*device)->run(frames);
  ASSERT_TRUE(ran) << ran.error().text();
  std::size_t entries = 0;
  Bytes key(spec.key_size), last, value(spec.value_size);
  for (int more = map->next_key(nullptr, key.data()); more == 0; more = map->next_key(last.data(), key.data())) {
    last = key;
    ++entries;
    ASSERT_EQ(map->read(key.data(), value.data(), 0), 0);
    EXPECT_EQ(key, Bytes(spec.key_size, key[0]));
    EXPECT_EQ(value, Bytes(spec.value_size, key[0]));
  }
  EXPECT_EQ(entries, spec.max_entries);
}

exec::MapSpec table(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t entries) {
  return {.type = type, .key_size = key_size, .value_size = value_size, .max_entries = entries, .name = "values"};
}
INSTANTIATE_TEST_SUITE_P(Shapes, RtlTables,
                         ::testing::Values(table(MapType::hash, 4, 8, 16), table(MapType::hash, 24, 100, 32),
                                           table(MapType::hash, 16, 16, 8), table(MapType::lru_hash, 8, 80, 16)));

// What others hold is theirs while one map is the host's.
TEST(RtlCoherence, OneMapAtATime) {
  const MapRef map = make_map(MapType::lru_hash, 8, 8), counts = make_map(MapType::array, 8, 8, "counts");
  const std::string text =
      "r6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +4)\nr0 = r6\nr0 += 4\nif r0 > r7 goto out\nr8 = *(u32 *)(r6 +0)\n"
      "*(u64 *)(r10 -16) = 0\n*(u32 *)(r10 -4) = r8\nr1 = map[values] ll\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\n"
      "r4 = 0\ncall bpf_map_update_elem\n*(u32 *)(r10 -4) = 3\nr1 = map[counts] ll\nr2 = r10\nr2 += -4\n"
      "call bpf_map_lookup_elem\nif r0 == 0 goto out\nr1 = 1\nlock *(u64 *)(r0 +0) += r1\nr0 = 2\nexit\nout: r0 = "
      "1\nexit";
  const auto device = open(text, {map, counts});
  auto frames = packets(200);
  ASSERT_TRUE(device->run(frames));
  EXPECT_EQ(value_of(counts, 3), 200U);
}

// There are more threads than CPUs.
TEST(RtlCoherence, ThreadsAreCpusOfInnerMapsToo) {
  const MapRef inner = make_map(MapType::percpu_array, 8, 4);
  exec::MapSpec spec{.type = MapType::array_of_maps, .key_size = 4, .value_size = 4, .max_entries = 2, .name = "outer"};
  spec.inner = std::make_shared<const exec::MapSpec>(inner->spec());
  const MapRef outer = maps::create(spec, 2).value();
  const std::uint32_t key = 0;
  ASSERT_EQ(outer->abilities().maps->set(&key, {.id = 1, .map = inner}, 0), 0);
  const std::string text =
      "*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\nr1 = map[0] ll\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\n"
      "r1 = r0\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\nr1 = 1\n"
      "lock *(u64 *)(r0 +0) += r1\nr0 = 2\nexit\nout: r0 = 1\nexit";
  const auto device = open(text, {outer});
  auto frames = packets(100);
  ASSERT_TRUE(device->run(frames));
  std::uint64_t sum = 0;
  for (unsigned cpu = 0; cpu < 2; ++cpu) {
    std::uint64_t one = 0;
    std::memcpy(&one, inner->lookup(&key, cpu), sizeof one);
    sum += one;
  }
  EXPECT_EQ(sum, 100U);
}

// The same of programs that tail calls lead to, which may come at any time.
TEST(RtlCoherence, ThreadsAreCpusOfTargetsMaps) {
  for (const bool before : {true, false}) {
    const MapRef map = make_map(MapType::percpu_array, 8, 4);
    const auto target = verified({.maps = {map}},
                                 "*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\nr1 = map[values] ll\n"
                                 "call bpf_map_lookup_elem\nif r0 == 0 goto out\nr1 = *(u64 *)(r0 +0)\nr1 += 1\n"
                                 "*(u64 *)(r0 +0) = r1\nr0 = 2\nexit\nout: r0 = 1\nexit");
    auto programs = std::make_shared<FakePrograms>();
    const exec::ProgramSlot slot = {
        .id = 1, .program = target, .maps = std::make_shared<const exec::MapList>(exec::MapList{map})};
    if (before) programs->set(0, slot);
    const auto device = open("r2 = map[programs] ll\nr3 = 0\ncall bpf_tail_call\nr0 = 1\nexit", {programs});
    auto first = packets(2);
    ASSERT_TRUE(device->run(first));
    if (!before) programs->set(0, slot);
    auto frames = packets(100);
    ASSERT_TRUE(device->run(frames));
    for (const Frame& frame : frames) EXPECT_EQ(frame.return_value, 2U) << trap_of(frame);
  }
}

// ---- maps that other maps hold -------------------------------------------------------------------------------------

struct Nested {
  MapRef inner = make_map(MapType::array, 8, 4), outer;

  Nested() {
    exec::MapSpec spec{
        .type = MapType::array_of_maps, .key_size = 4, .value_size = 4, .max_entries = 2, .name = "outer"};
    spec.inner = std::make_shared<const exec::MapSpec>(inner->spec());
    outer = maps::create(spec, 2).value();
    const std::uint32_t key = 0;
    EXPECT_EQ(outer->abilities().maps->set(&key, {.id = 1, .map = inner}, 0), 0);
  }
};
const std::string kInnerValue =
    "r6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +4)\nr0 = r6\nr0 += 4\nif r0 > r7 goto out\nr8 = *(u32 *)(r6 +0)\n"
    "*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\nr1 = map[0] ll\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\n"
    "r1 = r0\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\n";

// Packets that change an inner map's values have their order, if that was asked for.
TEST(RtlCoherence, OrderOfInnerMaps) {
  const std::string text = kInnerValue +
                           "r1 = *(u64 *)(r0 +0)\nr1 *= 3\nr1 += r8\n*(u64 *)(r0 +0) = r1\nr0 = r1\nexit\n"
                           "out: r0 = 1\nexit";
  const Nested nested;
  const auto device = open(text, {nested.outer}, true);
  auto frames = packets(50);
  ASSERT_TRUE(device->run(frames));
  std::uint64_t expected = 0;
  for (std::uint32_t i = 0; i < frames.size(); ++i) {
    expected = expected * 3 + i;
    EXPECT_EQ(frames[i].return_value, expected & 0xffffffff) << i;
  }
  EXPECT_EQ(value_of(nested.inner, 0), expected);
}

// A map that the program only reads by its own name, and changes as what another one holds.
TEST(RtlCoherence, InnerMapsThatTheProgramHasToo) {
  const std::string text = kInnerValue +
                           "r1 = 1\nlock *(u64 *)(r0 +0) += r1\nr1 = map[1] ll\nr2 = r10\nr2 += -4\n"
                           "call bpf_map_lookup_elem\nif r0 == 0 goto out\nr0 = *(u64 *)(r0 +0)\nexit\n"
                           "out: r0 = 1\nexit";
  const Nested nested;
  const auto device = open(text, {nested.outer, nested.inner}, true);
  auto frames = packets(50);
  ASSERT_TRUE(device->run(frames));
  for (std::uint32_t i = 0; i < frames.size(); ++i) EXPECT_EQ(frames[i].return_value, i + 1);
  EXPECT_EQ(value_of(nested.inner, 0), 50U);
}

// ---- one map by two names ------------------------------------------------------------------------------------------

TEST(RtlCoherence, AMapByTwoNames) {
  const MapRef map = make_map(MapType::array, 8, 4);
  const std::string add =
      "*(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4\nr1 = map[{}] ll\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\n"
      "r1 = *(u64 *)(r0 +0)\nr1 += {}\n*(u64 *)(r0 +0) = r1\nr6 = r1\n";
  const std::string text = fmt::format(fmt::runtime(add), 0, 5) + fmt::format(fmt::runtime(add), 1, 3) +
                           fmt::format(fmt::runtime(add), 0, 1) + "r0 = r6\nexit\nout: r0 = 100\nexit";
  const Frame frame = run({.maps = {map, map}, .engine = &backend()}, text);
  EXPECT_EQ(trap_of(frame), "");
  EXPECT_EQ(frame.return_value, 9U);
  EXPECT_EQ(value_of(map, 1), 9U);
}

// A program runs with maps of other sizes than those that it was verified with: what is there is asked at run time.
class RtlSizes : public ::testing::TestWithParam<std::pair<MapType, std::uint32_t>> {};

TEST_P(RtlSizes, AreThoseOfTheMapThatIsBound) {
  const auto [type, entries] = GetParam();
  const auto program =
      verified({.maps = {make_map(type, 8, 16)}},
               "r6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +4)\nr0 = r6\nr0 += 4\nif r0 > r7 goto out\n"
               "r8 = *(u32 *)(r6 +0)\n*(u32 *)(r10 -4) = r8\nr2 = r10\nr2 += -4\n"
               "r1 = map[values] ll\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\n"
               "r1 = *(u64 *)(r0 +0)\nr1 += 3\n*(u64 *)(r0 +0) = r1\nr0 = r1\nexit\nout: r0 = 1\nexit");
  std::vector<std::uint64_t> results;
  for (const exec::Backend* engine : {&backend(), &interp::backend()}) {
    const MapRef map = make_map(type, 8, entries);
    for (std::uint64_t key = 0; key < entries; ++key) ASSERT_EQ(map->write(&key, &key, 0), 0);
    auto device = engine->open({.environment = &plain_environment()});
    ASSERT_TRUE((*device)->load(*engine->compile(program, {})));
    ASSERT_TRUE((*device)->bind(0, map));
    auto frames = packets(40);
    ASSERT_TRUE((*device)->run(frames));
    for (std::uint32_t i = 0; i < frames.size(); ++i) {
      results.push_back(frames[i].return_value);
      results.push_back(i < entries ? value_of(map, i) : 0);
    }
  }
  const auto half = results.begin() + static_cast<std::ptrdiff_t>(results.size() / 2);
  EXPECT_TRUE(std::equal(results.begin(), half, half));
}
INSTANTIATE_TEST_SUITE_P(Maps, RtlSizes,
                         ::testing::Values(std::pair{MapType::array, 4U}, std::pair{MapType::array, 2000U},
                                           std::pair{MapType::hash, 4U}, std::pair{MapType::hash, 2000U},
                                           std::pair{MapType::lru_hash, 2000U}));

TEST(RtlCoherence, TailCallsByALargerArray) {
  auto programs = std::make_shared<FakePrograms>(3000);
  programs->set(2000,
                {.id = 1, .program = verified({}, "r0 = 4\nexit"), .maps = std::make_shared<const exec::MapList>()});
  const auto program = verified({.maps = {std::make_shared<FakePrograms>()}},
                                "r2 = map[programs] ll\nr3 = 2000\ncall bpf_tail_call\nr0 = 1\nexit");
  auto device = backend().open({.environment = &plain_environment()});
  ASSERT_TRUE((*device)->load(*backend().compile(program, {})));
  ASSERT_TRUE((*device)->bind(0, programs));
  auto frames = packets(2);
  ASSERT_TRUE((*device)->run(frames));
  EXPECT_EQ(frames[1].return_value, 4U);
}

// ---- redirects -----------------------------------------------------------------------------------------------------

// Keys that the device has no room for beside the packet are the host's.
TEST(RtlCoherence, RedirectsByAnyKey) {
  const MapRef map = make_map(MapType::devmap_hash, 4, 8, "ports");
  for (const std::uint32_t key : {5U, 0x20000005U, 0xffffffffU}) {
    const std::uint32_t port = key & 0xff;
    ASSERT_EQ(map->write(&key, &port, 0), 0);
    const std::string text = fmt::format("r1 = map[ports] ll\nr2 = {} ll\nr3 = 1\ncall bpf_redirect_map\nexit", key);
    const Frame mine = run({.maps = {map}, .engine = &backend()}, text), its = run({.maps = {map}}, text);
    EXPECT_EQ(mine.return_value, its.return_value) << key;
    EXPECT_EQ(mine.results().redirect.ifindex, its.results().redirect.ifindex) << key;
  }
}

// Of two the later one holds, whoever did which.
TEST(RtlCoherence, TheLaterRedirect) {
  for (const auto& [first, second] : {std::pair{3U, 0x20000003U}, {0x20000003U, 3U}}) {
    const std::string text =
        fmt::format("r1 = {}\nr2 = 0\ncall bpf_redirect\nr1 = {}\nr2 = 0\ncall bpf_redirect\nexit", first, second);
    EXPECT_EQ(run({.engine = &backend()}, text).results().redirect.ifindex, second);
  }
}

// ---- edges ---------------------------------------------------------------------------------------------------------

// Metadata goes with the head on the host; bytes that the packet has got there are the packet's when the engine moves
// its edges again.
TEST(RtlCoherence, EdgesOfHostAndEngine) {
  expect_same(
      "r6 = r1\nr2 = -8\ncall bpf_xdp_adjust_meta\nr1 = r6\nr2 = -20\ncall bpf_xdp_adjust_head\n"
      "r2 = *(u32 *)(r6 +0)\nr3 = *(u32 *)(r6 +4)\nr4 = r2\nr4 += 24\nif r4 > r3 goto out\n"
      "r5 = 0x1122334455667788 ll\n*(u64 *)(r2 +0) = r5\n*(u64 *)(r2 +8) = r5\n"
      "r1 = r6\nr2 = 8\ncall bpf_xdp_adjust_meta\nr7 = r0\nr2 = *(u32 *)(r6 +0)\nr3 = *(u32 *)(r6 +4)\nr4 = r2\nr4 += "
      "24\n"
      "if r4 > r3 goto out\nr0 = *(u64 *)(r2 +0)\nr0 += r7\nexit\nout: r0 = 99\nexit");
}

// ---- the stack -----------------------------------------------------------------------------------------------------

// Reads what a helper was to fill and did not.
const std::string kReader =
    "r2 = 100000\nr3 = r10\nr3 += -16\nr4 = 16\ncall bpf_xdp_load_bytes\n"
    "r0 = *(u64 *)(r10 -8)\nr1 = *(u64 *)(r10 -16)\nr0 |= r1\nexit";

std::shared_ptr<FakePrograms> jump_to(const std::string& text) {
  auto programs = std::make_shared<FakePrograms>();
  programs->set(0, {.id = 1, .program = verified({}, text), .maps = std::make_shared<const exec::MapList>()});
  return programs;
}

// It is zeros in the target of a tail call, not what stood there: of the program that jumped, or of an earlier packet.
TEST(RtlCoherence, TargetsBeginWithZeros) {
  const auto device = open(
      "r6 = r1\n*(u64 *)(r10 -8) = 77\n*(u64 *)(r10 -16) = 88\nr2 = 0\nr3 = r10\nr3 += -16\nr4 = 16\n"
      "call bpf_xdp_store_bytes\nr1 = r6\nr2 = map[programs] ll\nr3 = 0\ncall bpf_tail_call\nr0 = 1\nexit",
      {jump_to(kReader)}, true);
  auto frames = packets(4);
  ASSERT_TRUE(device->run(frames));
  for (const Frame& frame : frames) {
    EXPECT_EQ(trap_of(frame), "");
    EXPECT_EQ(frame.return_value, 0U);
  }
}

// ---- the budget ----------------------------------------------------------------------------------------------------

// How often a bundle is tried again while others divide is no matter of the packet's budget.
TEST(RtlCoherence, WaitingCostsNoBudget) {
  std::string text =
      "r6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +4)\nr0 = r6\nr0 += 4\nif r0 > r7 goto out\n"
      "r8 = *(u32 *)(r6 +0)\nr8 += 3\nr0 = -1\n";
  for (int i = 0; i < 250; ++i) text += "r0 /= r8\nr0 += 99\n";
  const auto device = open(text + "exit\nout: r0 = 1\nexit", {}, false, 1024);
  auto frames = packets(16);
  ASSERT_TRUE(device->run(frames));
  for (const Frame& frame : frames) EXPECT_EQ(trap_of(frame), "");
}

// ---- the row port --------------------------------------------------------------------------------------------------

// Atomics of eight threads could have it in every cycle; the host reads what a helper needs all the same.
TEST(RtlCoherence, AtomicsLeaveThePortToOthers) {
  constexpr unsigned kTimes = 3500;
  std::string text = "r2 = 0\nr3 = r10\nr3 += -16\nr4 = 16\ncall bpf_xdp_load_bytes\nr1 = 1\n";
  for (unsigned i = 0; i < kTimes; ++i) text += "lock *(u64 *)(r10 -16) += r1\n";
  const auto device = open(text + "r0 = *(u64 *)(r10 -16)\nexit", {});
  auto frames = packets(24);
  const auto ran = device->run(frames);
  ASSERT_TRUE(ran) << ran.error().text();
  for (std::uint32_t i = 0; i < frames.size(); ++i) EXPECT_EQ(frames[i].return_value, kTimes + i);
}

}  // namespace
}  // namespace forager::jit::rtl
