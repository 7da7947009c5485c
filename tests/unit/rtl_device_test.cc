// SPDX-License-Identifier: Apache-2.0
//
// Programs on the simulated core, as a device runs them: what it does itself, what it asks the host for, what stops it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "exec_testing.h"
#include "jit-backends/rtl/backend.h"
#include "maps/registry.h"

namespace forager::jit::rtl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::FakePrograms;
using exec::testing::MapRef;
using exec::testing::Rig;
using exec::testing::run;
using exec::testing::trap_of;
using exec::testing::verified;
using isa::MapType;
using ::testing::HasSubstr;
using ::testing::Not;

Rig rig(std::vector<MapRef> maps = {}) { return {.maps = std::move(maps), .engine = &backend()}; }

std::uint64_t result(const std::string& text, std::vector<MapRef> maps = {}, const Bytes& packet = Bytes(64)) {
  const Frame frame = run(rig(std::move(maps)), text, packet);
  EXPECT_EQ(trap_of(frame), "") << text;
  return frame.return_value;
}

// ---- functions -----------------------------------------------------------------------------------------------------

TEST(RtlDevice, FunctionsGiveBackRegistersAndHaveFramesOfTheirOwn) {
  EXPECT_EQ(result("r6 = 6\nr7 = 7\nr8 = 8\nr9 = 9\n*(u64 *)(r10 -8) = 100\nr1 = 1\ncall f\n"
                   "r0 += r6\nr0 += r7\nr0 += r8\nr0 += r9\nr1 = *(u64 *)(r10 -8)\nr0 += r1\nexit\n"
                   "f: r6 = 0\nr7 = 0\nr8 = 0\nr9 = 0\n*(u64 *)(r10 -8) = 5\n*(u64 *)(r10 -256) = 5\nr0 = r1\nexit"),
            131U);
}

// What is live on the other side of blocks that were cut off is live.
TEST(RtlDevice, RegistersLiveOverACallThatBranchesFollow) {
  EXPECT_EQ(
      result("r7 = *(u32 *)(r1 +0)\nr8 = *(u32 *)(r1 +4)\ncall f\nif w0 s<= -5 goto a\ngoto b\na: r5 = r0\nb: r4 = r7\n"
             "if r4 > r8 goto c\nr0 = 2\nexit\nc: r0 = 1\nexit\nf: r0 = 0\nr7 = 9\nr8 = 0\nexit"),
      2U);
}

TEST(RtlDevice, EightFrames) {
  std::string text;
  for (int i = 1; i < 8; ++i) text += fmt::format("*(u64 *)(r10 -56) = {0}\ncall f{0}\nexit\nf{0}: ", i);
  EXPECT_EQ(result(text + "r0 = 2\nexit"), 2U);
}

// ---- tail calls ----------------------------------------------------------------------------------------------------

constexpr const char* kTailCall = "r2 = map[programs] ll\nr3 = 0\ncall bpf_tail_call\n";

exec::ProgramSlot slot_of(const std::string& text) {
  return {.id = 1, .program = verified({}, text), .maps = std::make_shared<const exec::MapList>()};
}

TEST(RtlDevice, TailCallsLeaveTheProgram) {
  auto programs = std::make_shared<FakePrograms>();
  const std::string text = std::string(kTailCall) + "r0 = 1\nexit";
  EXPECT_EQ(result(text, {programs}), 1U);
  programs->set(0, slot_of("r6 = 9\nr0 = 4\nexit"));
  EXPECT_EQ(result(text, {programs}), 4U);
}

// A program that jumps to itself, as often as Linux lets it: 33 times, whoever does the jump.
TEST(RtlDevice, TailCallsEnd) {
  auto programs = std::make_shared<FakePrograms>();
  const std::string text =
      "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 8\nif r4 > r3 goto out\nr5 = *(u64 *)(r2 +0)\n"
      "r5 += 1\n*(u64 *)(r2 +0) = r5\nr2 = map[programs] ll\nr3 = 0\ncall bpf_tail_call\nout: r0 = 1\nexit";
  const auto program = verified({.maps = {programs}}, text);
  programs->set(0,
                {.id = 1, .program = program, .maps = std::make_shared<const exec::MapList>(exec::MapList{programs})});
  const auto device = open_device(rig({programs}), text);
  ASSERT_NE(device, nullptr);
  for (int i = 0; i < 3; ++i) {
    Frame frame = *Frame::make(exec::testing::as_bytes(Bytes(64)));
    ASSERT_TRUE(device->run({&frame, 1}));
    EXPECT_EQ(trap_of(frame), "");
    EXPECT_EQ(std::to_integer<int>(frame.packet()[0]), 34);
  }
  programs->set(0, {});
}

// What a program's map holds is seen by those that it jumps to.
TEST(RtlDevice, TargetsOfTailCallsReachTheSameMaps) {
  auto programs = std::make_shared<FakePrograms>();
  const MapRef map =
      maps::create({.type = MapType::array, .key_size = 4, .value_size = 8, .max_entries = 4, .name = "values"}, 2)
          .value();
  const std::string count =
      "r6 = r1\n*(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall 1\nif r0 == 0 goto out\n"
      "r1 = *(u64 *)(r0 +0)\nr1 += 1\n*(u64 *)(r0 +0) = r1\nr7 = r1\n";
  const auto target = verified({.maps = {map}}, count + "r0 = r7\nexit\nout: r0 = 0\nexit");
  programs->set(0, {.id = 1, .program = target, .maps = std::make_shared<const exec::MapList>(exec::MapList{map})});
  const std::string text = count + "r1 = r6\nr2 = map[programs] ll\nr3 = 0\ncall bpf_tail_call\nout: r0 = 100\nexit";
  const auto device = open_device(rig({map, programs}), text);
  ASSERT_NE(device, nullptr);
  for (std::uint64_t i = 1; i < 4; ++i) {
    Frame frame = *Frame::make(exec::testing::as_bytes(Bytes(64)));
    ASSERT_TRUE(device->run({&frame, 1}));
    EXPECT_EQ(frame.return_value, 2 * i);
  }
}

// ---- devices that there are not ------------------------------------------------------------------------------------

std::string refusal(const exec::Simulation& simulation) {
  auto device = backend().open({.environment = &exec::testing::plain_environment(), .simulation = simulation});
  if (!device) return device.error().text();
  const auto image = backend().compile(verified({}, "r0 = 2\nexit"), {});
  const auto loaded = (*device)->load(*image);
  return loaded ? "" : loaded.error().text();
}

TEST(RtlDevice, ConfigurationsAndThreads) {
  EXPECT_EQ(refusal({.configuration = "small", .threads = 4}), "");
  EXPECT_EQ(refusal({.configuration = "large", .threads = 16}), "");
  EXPECT_THAT(refusal({.configuration = "tiny"}), HasSubstr("no configuration tiny of the device"));
  EXPECT_THAT(refusal({.configuration = "small", .threads = 5}), HasSubstr("fewer hardware threads"));
  EXPECT_THAT(refusal({.wave = "/nonexistent/out.fst"}), HasSubstr("cannot be written"));
  EXPECT_THAT(refusal({.wave = "/tmp/out.fst", .wave_on = "when"}), HasSubstr("no event of a waveform"));
}

// ---- maps on the chip ----------------------------------------------------------------------------------------------

MapRef make_map(MapType type, std::uint32_t value_size, std::uint32_t entries) {
  return maps::create({.type = type, .key_size = 4, .value_size = value_size, .max_entries = entries, .name = "values"},
                      2)
      .value();
}
std::uint64_t value_of(const MapRef& map, std::uint32_t key, unsigned cpu = 0) {
  std::uint64_t value = 0;
  std::memcpy(&value, map->lookup(&key, cpu), sizeof value);
  return value;
}

constexpr const char* kAddFive =
    "r6 = 0\n*(u32 *)(r10 -4) = {}\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall 1\nif r0 == 0 goto none\n"
    "r1 = 5\nlock *(u64 *)(r0 +0) += r1\nr6 = *(u64 *)(r0 +0)\nnone: r0 = r6\nexit";

// Each bundle of the version for long packets, once a packet; the others not at all.
TEST(RtlDevice, TheScheduleSaysWhatWasMeasured) {
  const auto image = backend().compile(verified({}, "r0 = *(u32 *)(r1 +0)\nr0 = 2\nexit"), {}).value();
  EXPECT_THAT(image->listing(), Not(HasSubstr("measured")));
  const exec::Environment environment;
  const auto device = backend().open({.environment = &environment}).value();
  ASSERT_TRUE(device->load(image));
  std::vector<Frame> frames;
  const Bytes packet(64);
  for (unsigned i = 0; i < 7; ++i) frames.push_back(*Frame::make(std::as_bytes(std::span(packet))));
  ASSERT_TRUE(device->run(frames));
  const std::string listing = image->listing();
  EXPECT_THAT(listing, HasSubstr("measured"));
  EXPECT_THAT(listing, ::testing::ContainsRegex(" 7 +[0-9]+[.][0-9] .*return 2"));
  EXPECT_THAT(listing, ::testing::ContainsRegex(" - .*return 2"));
}

TEST(RtlDevice, ArraysGoToTheDeviceAndBack) {
  const MapRef map = make_map(MapType::array, 8, 100);
  const std::uint32_t key = 70;
  const std::uint64_t value = 37;
  ASSERT_EQ(map->write(&key, &value, 0), 0);
  EXPECT_EQ(result(fmt::format(kAddFive, 70), {map}), 42U);
  EXPECT_EQ(value_of(map, 70), 42U);
  EXPECT_EQ(value_of(map, 71), 0U);
  EXPECT_EQ(result(fmt::format(kAddFive, 100), {map}), 0U) << "there is no such entry";
}

TEST(RtlDevice, ABatchSeesWhatTheHostWroteBefore) {
  const MapRef map = make_map(MapType::array, 8, 4);
  const auto device = open_device(rig({map}), fmt::format(kAddFive, 1));
  ASSERT_NE(device, nullptr);
  for (const std::uint64_t written : {100U, 7U}) {
    const std::uint32_t key = 1;
    ASSERT_EQ(map->write(&key, &written, 0), 0);
    Frame frame = *Frame::make(exec::testing::as_bytes(Bytes(64)));
    ASSERT_TRUE(device->run({&frame, 1}));
    EXPECT_EQ(frame.return_value, written + 5);
    EXPECT_EQ(value_of(map, 1), written + 5);
  }
}

// An index that nobody knows before, just inside and just outside.
TEST(RtlDevice, IndicesFromThePacket) {
  const MapRef map = make_map(MapType::array, 24, 10);
  const std::uint32_t key = 9;
  const std::array<std::uint64_t, 3> value = {11, 12, 13};
  ASSERT_EQ(map->write(&key, value.data(), 0), 0);
  const std::string text =
      "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 4\nif r4 > r3 goto none\nr5 = *(u32 *)(r2 +0)\n"
      "*(u32 *)(r10 -4) = r5\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall 1\nif r0 == 0 goto none\n"
      "r0 = *(u64 *)(r0 +16)\nexit\nnone: r0 = 99\nexit";
  for (const auto& [index, expected] : {std::pair{9U, 13U}, {0U, 0U}, {10U, 99U}, {0xffffffffU, 99U}}) {
    Bytes packet(64);
    std::memcpy(packet.data(), &index, sizeof index);
    EXPECT_EQ(result(text, {map}, packet), expected) << index;
  }
}

// Threads that add to one value at the same time lose nothing.
TEST(RtlDevice, AtomicsOfAllThreads) {
  const MapRef map = make_map(MapType::array, 8, 1);
  const std::string text =
      "*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall 1\nif r0 == 0 goto none\n"
      "r1 = 3\nlock *(u64 *)(r0 +0) += r1\nnone: r0 = 2\nexit";
  const auto device = open_device(rig({map}), text);
  ASSERT_NE(device, nullptr);
  std::vector<Frame> frames;
  for (int i = 0; i < 500; ++i) frames.push_back(*Frame::make(exec::testing::as_bytes(Bytes(60 + i % 200))));
  ASSERT_TRUE(device->run(frames));
  EXPECT_EQ(value_of(map, 0), 1500U);
  const auto metrics = device->counters().metrics;
  ASSERT_FALSE(metrics.empty());
  EXPECT_EQ(metrics.front().name, "cycles_per_packet");
  EXPECT_GT(metrics.front().value, 1);
  const auto threads = std::ranges::find(metrics, "threads", &exec::Metric::name);
  EXPECT_GT(threads->value, 1) << "nothing here depends on the order";
}

// ---- packets -------------------------------------------------------------------------------------------------------

// Any length and content comes back changed where it was changed, with gaps and back-pressure.
TEST(RtlDevice, PacketsComeBackWhole) {
  const std::string text =
      "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 14\nif r4 > r3 goto none\n"
      "r5 = *(u64 *)(r2 +3)\nr5 = be64 r5\n*(u64 *)(r2 +3) = r5\nnone: r0 = 2\nexit";
  const auto program = verified({}, text);
  auto device = backend().open(
      {.environment = &exec::testing::plain_environment(), .simulation = {.gap = 60, .back_pressure = 90}});
  ASSERT_TRUE(device);
  ASSERT_TRUE((*device)->load(*backend().compile(program, {})));
  std::vector<Frame> frames;
  std::vector<Bytes> expected;
  for (std::size_t length = 1; length < 3600; length += 97) {
    Bytes packet(length);
    for (std::size_t i = 0; i < length; ++i) packet[i] = static_cast<std::uint8_t>(i * 7 + length);
    frames.push_back(*Frame::make(exec::testing::as_bytes(packet)));
    if (length >= 14) std::reverse(packet.begin() + 3, packet.begin() + 11);
    expected.push_back(packet);
  }
  ASSERT_TRUE((*device)->run(frames));
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto bytes = frames[i].packet();
    EXPECT_TRUE(std::ranges::equal(bytes, std::as_bytes(std::span(expected[i])))) << "packet " << i;
  }
}

// Addresses that change places, six bytes at a time: in the device's buffer, and in a packet that the host keeps, whose
// headroom is not the device's.
TEST(RtlDevice, SixBytesOnTheDeviceAndOnTheHost) {
  std::string swap = "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 14\nr0 = 1\nif r4 > r3 goto out\n";
  for (unsigned at = 0; at < 6; at += 2) {
    swap += fmt::format(
        "r4 = *(u16 *)(r2 +{0})\nr5 = *(u16 *)(r2 +{1})\n*(u16 *)(r2 +{1}) = r4\n*(u16 *)(r2 +{0}) = r5\n", at, at + 6);
  }
  const auto image = backend().compile(verified({}, swap + "r0 = 3\nout: exit"), {});
  Bytes packet(64);
  for (std::size_t i = 0; i < packet.size(); ++i) packet[i] = static_cast<std::uint8_t>(0xf0 + i);
  for (const std::uint32_t headroom : {exec::kHeadroom, exec::kHeadroom - 8U}) {
    auto device = backend().open({.environment = &exec::testing::plain_environment()});
    ASSERT_TRUE((*device)->load(*image));
    std::vector<Frame> frames;
    frames.push_back(*Frame::make(exec::testing::as_bytes(packet), headroom));
    ASSERT_TRUE((*device)->run(frames));
    EXPECT_EQ(frames[0].return_value, 3U);
    Bytes expected = packet;
    std::swap_ranges(expected.begin(), expected.begin() + 6, expected.begin() + 6);
    EXPECT_TRUE(std::ranges::equal(frames[0].packet(), std::as_bytes(std::span(expected)))) << headroom;
  }
}

// A word of the stack whose value is known is not read, but what the host reads there is written.
TEST(RtlDevice, KnownWordsOfTheStack) {
  EXPECT_EQ(
      result("r6 = *(u32 *)(r1 +4)\nr7 = *(u32 *)(r1 +0)\nr6 -= r7\n*(u64 *)(r10 -8) = r6\n*(u64 *)(r10 -16) = 7\n"
             "*(u8 *)(r10 -16) = 9\nr0 = *(u64 *)(r10 -8)\nr1 = *(u64 *)(r10 -16)\nr0 += r1\nexit",
             {}, Bytes(100)),
      109U);
  auto map =
      maps::create({.type = MapType::array, .key_size = 4, .value_size = 8, .max_entries = 2, .name = "values"}, 2)
          .value();
  EXPECT_EQ(result("*(u64 *)(r10 -8) = 1\n*(u64 *)(r10 -16) = 5\nr2 = r10\nr2 += -8\nr3 = r10\nr3 += -16\nr4 = 0\n"
                   "r1 = map[values] ll\ncall bpf_map_update_elem\nr1 = *(u64 *)(r10 -16)\nr0 += r1\nexit",
                   {map}),
            5U);
  std::uint64_t value = 0;
  const std::uint32_t key = 1;
  ASSERT_EQ(map->read(&key, &value, 0), 0);
  EXPECT_EQ(value, 5U);
}

TEST(RtlDevice, HelpersMoveThePacket) {
  const std::string text =
      "r6 = r1\nr2 = -8\ncall bpf_xdp_adjust_head\nr2 = *(u32 *)(r6 +0)\nr3 = *(u32 *)(r6 +4)\nr4 = r2\nr4 += 16\n"
      "if r4 > r3 goto none\nr5 = 0x1122334455667788 ll\n*(u64 *)(r2 +0) = r5\nr0 = *(u8 *)(r2 +8)\nexit\nnone: r0 = "
      "99\nexit";
  Bytes packet(64, 5);
  const Frame frame = run(rig(), text, packet);
  EXPECT_EQ(trap_of(frame), "");
  EXPECT_EQ(frame.return_value, 5U);
  ASSERT_EQ(frame.packet().size(), 72U);
  EXPECT_EQ(std::to_integer<int>(frame.packet()[0]), 0x88);
}

// Where the host moved metadata and head to, there is no other packet's memory any more to be cleared.
TEST(RtlDevice, MetadataMovesWithTheHead) {
  const std::string packet = "r2 = *(u32 *)(r6 +0)\nr3 = *(u32 *)(r6 +4)\nr4 = r2\nr4 += 64\nif r4 > r3 goto none\n";
  const std::string text = "r6 = r1\nr2 = -4\ncall bpf_xdp_adjust_meta\nr1 = r6\nr2 = -64\ncall bpf_xdp_adjust_head\n" +
                           packet + "*(u64 *)(r2 +0) = 7\nr1 = r6\nr2 = 4\ncall bpf_xdp_adjust_meta\n" + packet +
                           "r0 = *(u64 *)(r2 +0)\nexit\nnone: r0 = 99\nexit";
  const Frame frame = run(rig(), text, Bytes(64, 5));
  EXPECT_EQ(trap_of(frame), "");
  EXPECT_EQ(frame.return_value, 7U);
  ASSERT_EQ(frame.packet().size(), 128U);
  EXPECT_EQ(std::to_integer<int>(frame.packet()[64]), 5);
}

// Keys of a DEVMAP_HASH are any; the redirect that a packet takes along has 29 bits of them. Of two the later one
// holds.
TEST(RtlDevice, RedirectsByKeysOfManyBits) {
  const MapRef map =
      maps::create({.type = MapType::devmap_hash, .key_size = 4, .value_size = 4, .max_entries = 4, .name = "ports"}, 2)
          .value();
  constexpr std::uint32_t kKeys[] = {7, 0x20000007, 0xffffffff}, kMissing = 0x30000000;
  const auto port_of = [](std::uint32_t key) { return key % 100 + 1; };
  for (const std::uint32_t key : kKeys) {
    const std::uint32_t port = port_of(key);
    ASSERT_EQ(map->write(&key, &port, 0), 0);
  }
  const auto call = [](std::uint32_t key) {
    return fmt::format("r1 = map[0] ll\nw2 = {}\nr3 = 2\ncall bpf_redirect_map\n", static_cast<std::int32_t>(key));
  };
  for (const std::uint32_t first : {kKeys[0], kKeys[1], kMissing}) {
    for (const std::uint32_t second : {kKeys[0], kKeys[2], kMissing}) {
      const Frame frame = run(rig({map}), call(first) + call(second) + "exit");
      EXPECT_EQ(trap_of(frame), "");
      EXPECT_EQ(frame.return_value, second == kMissing ? 2U : 4U) << first << ", then " << second;
      EXPECT_EQ(frame.results().redirect.ifindex, second == kMissing ? 0 : port_of(second))
          << first << ", then " << second;
    }
  }
}

// ---- what stops a program ------------------------------------------------------------------------------------------

std::string stopped(const std::string& text) {
  Rig unsafe = rig();
  unsafe.unverified = true;
  unsafe.budget = 10000;
  return trap_of(run(unsafe, text));
}

TEST(RtlDevice, HardwareChecksEveryAccess) {
  const char* const kOutside = "access outside of the packet or the stack";
  EXPECT_THAT(stopped("r0 = 0\n*(u64 *)(r10 -4) = r0\nexit"), HasSubstr(kOutside));
  EXPECT_THAT(stopped("r0 = *(u8 *)(r10 -513)\nexit"), HasSubstr(kOutside));
  EXPECT_THAT(stopped("r0 = *(u64 *)(r10 +0)\nexit"), HasSubstr(kOutside));
  EXPECT_THAT(stopped("r2 = 0\nr0 = *(u64 *)(r2 +0)\nexit"), HasSubstr("no pointer to memory"));
  EXPECT_THAT(stopped("r2 = 0x123456789abcdef0 ll\nr0 = *(u64 *)(r2 +0)\nexit"), HasSubstr("no pointer to memory"));
}

TEST(RtlDevice, EndlessLoopsAndEndlessCalls) {
  EXPECT_THAT(stopped("a: r0 = 1\ngoto a\nexit"), HasSubstr("runs too long"));
  EXPECT_THAT(stopped("call f\nexit\nf: call f\nexit"), HasSubstr("too deep"));
}

}  // namespace
}  // namespace forager::jit::rtl
