// SPDX-License-Identifier: Apache-2.0
//
// The OpenCL device behind its contract: packets and what helpers do to them, traps, order, and time, held against the
// interpreter.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <algorithm>

#include "exec_testing.h"
#include "jit-backends/opencl/awake.h"
#include "jit-backends/opencl/devices.h"
#include "jit-backends/opencl/results.h"
#include "maps/registry.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::MapRef;
using exec::testing::Rig;

MapRef map_of(isa::MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t entries) {
  auto map = maps::create(
      {.type = type, .key_size = key_size, .value_size = value_size, .max_entries = entries, .name = "values"}, 4);
  EXPECT_TRUE(map) << map.error().text();
  return map ? *map : nullptr;
}

// Packets of all sizes up to a few hundred bytes, on ports 1 to 3.
std::vector<Frame> packets(unsigned count) {
  std::vector<Frame> frames;
  for (unsigned n = 0; n < count; ++n) {
    Bytes bytes(14 + n * 7 % 400);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(n * 31 + i * 7);
    frames.push_back(*Frame::make(exec::testing::as_bytes(bytes)));
    const std::uint32_t port = 1 + n % 3;
    std::memcpy(frames.back().context.data() + 12, &port, sizeof port);
  }
  return frames;
}

std::vector<Frame> run_on(const exec::Backend& engine, Rig rig, std::string_view text, unsigned count) {
  auto frames = packets(count);
  rig.engine = &engine;
  const auto device = exec::testing::open_device(rig, text);
  if (device == nullptr) return {};
  const auto report = device->run(frames);
  EXPECT_TRUE(report) << report.error().text();
  EXPECT_EQ(device->counters().packets, count);
  return frames;
}

class OpenclDevice : public testing::WithDevice {
 protected:
  static void compare(const Rig& rig, std::string_view text, unsigned count = 100) {
    const auto expected = run_on(interp::backend(), rig, text, count);
    const auto actual = run_on(*testing::opencl_here(), rig, text, count);
    testing::expect_alike(expected, actual, text);
  }
};

// r6 = context, r7 = data, r8 = data_end, r9 = the packet's length.
constexpr const char* kStart =
    "r6 = r1\nr7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr9 = r8\nr9 -= r7\nr0 = r7\nr0 += 14\n"
    "if r0 > r8 goto out\n";
constexpr const char* kEnd = "out: r0 = 2\nexit";

std::string with(const char* middle) { return std::string(kStart) + middle + kEnd; }

TEST_F(OpenclDevice, GivesPacketsTheirEdges) {
  compare({}, with("r9 &= 63\nr9 += -40\nr1 = r6\nr2 = r9\ncall bpf_xdp_adjust_head\nr9 = r0\nr1 = r6\nr2 = -12\n"
                   "call bpf_xdp_adjust_meta\nr9 += r0\nr7 = *(u32 *)(r6 + 8)\nr8 = *(u32 *)(r6 + 0)\nr1 = r7\n"
                   "r1 += 12\nif r1 > r8 goto out\n*(u32 *)(r7 + 0) = r9\nr1 = r6\nr2 = 20\n"
                   "call bpf_xdp_adjust_head\n"));
  compare({}, with("r1 = r6\nr2 = *(u8 *)(r7 + 3)\nr2 += -128\ncall bpf_xdp_adjust_tail\nr7 = *(u32 *)(r6 + 0)\n"
                   "r8 = *(u32 *)(r6 + 4)\nr1 = r7\nr1 += 14\nif r1 > r8 goto out\n*(u64 *)(r7 + 2) = r0\n"));
}

TEST_F(OpenclDevice, CopiesBytes) {
  compare({}, with("*(u64 *)(r10 - 8) = 0\nr1 = r6\nr2 = 5\nr3 = r10\nr3 += -8\nr4 = 7\ncall bpf_xdp_load_bytes\n"
                   "r9 = r0\nr1 = r6\nr2 = 1\nr3 = r10\nr3 += -8\nr4 = 6\ncall bpf_xdp_store_bytes\nr9 += r0\n"
                   "r1 = r6\nr2 = 500\nr3 = r10\nr3 += -8\nr4 = 8\ncall bpf_xdp_store_bytes\nr9 += r0\nr1 = r6\n"
                   "call bpf_xdp_get_buff_len\nr0 += r9\nr0 &= 3\nexit\n"));
}

TEST_F(OpenclDevice, SumsAndDrawsNumbers) {
  compare({}, with("r1 = 0\nr2 = 0\nr3 = r7\nr4 = 12\nr5 = 77\ncall bpf_csum_diff\n*(u32 *)(r7 + 0) = r0\nr1 = r7\n"
                   "r2 = 8\nr3 = r7\nr3 += 2\nr4 = 12\nr5 = 1\ncall bpf_csum_diff\n*(u32 *)(r7 + 4) = r0\nr1 = r7\n"
                   "r2 = 12\nr3 = 0\nr4 = 0\nr5 = -3\ncall bpf_csum_diff\n*(u16 *)(r7 + 8) = r0\n"
                   "call bpf_get_prandom_u32\n*(u32 *)(r7 + 10) = r0\n"));
}

TEST_F(OpenclDevice, RedirectsToPorts) {
  compare({}, with("r1 = *(u32 *)(r6 + 12)\nr2 = 0\ncall bpf_redirect\nexit\n"));
  const Rig rig{.maps = {map_of(isa::MapType::devmap, 4, 4, 8)}};
  for (const std::uint32_t key : {1U, 3U}) {
    const std::uint32_t port = key + 40;
    ASSERT_EQ(rig.maps[0]->write(&key, &port, 0), 0);
  }
  const char* const by_map = "r2 = *(u32 *)(r6 + 12)\nr1 = map[values] ll\nr3 = 1\ncall bpf_redirect_map\nexit\n";
  compare(rig, with(by_map));
  const Rig hashed{.maps = {map_of(isa::MapType::devmap_hash, 4, 4, 8)}};
  for (const std::uint32_t key : {3U, 2U, 90U}) ASSERT_EQ(hashed.maps[0]->write(&key, &key, 0), 0);
  compare(hashed, with(by_map));
}

// What a redirect left in a frame is gone after the next run, whoever left it.
TEST_F(OpenclDevice, ForgetsEarlierRedirects) {
  Rig rig{.maps = {map_of(isa::MapType::devmap, 4, 4, 4)}};
  const std::string text =
      with("r2 = *(u8 *)(r7 + 3)\nr2 &= 3\nr1 = map[values] ll\nr3 = 1\ncall bpf_redirect_map\nexit\n");
  auto expected = packets(100), actual = packets(100);
  const auto theirs = exec::testing::open_device({.maps = rig.maps, .engine = &interp::backend()}, text);
  const auto ours = exec::testing::open_device({.maps = rig.maps, .engine = testing::opencl_here()}, text);
  ASSERT_TRUE(theirs && ours);
  std::size_t redirects = 0;
  for (const std::uint32_t port : {7U, 0U, 9U, 0x50000000U, 3U}) {
    for (const std::uint32_t key : {1U, 3U}) {
      ASSERT_EQ(port == 0 ? rig.maps[0]->erase(&key) : rig.maps[0]->update(&key, &port, 0, 0), 0);
    }
    ASSERT_TRUE(theirs->run(expected) && ours->run(actual));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(testing::difference(expected[i], actual[i]), "") << port << ", packet " << i;
      redirects += actual[i].results().redirect.ifindex != 0 ? 1 : 0;
    }
    if (port == 9) expected[0].change_results().clones.resize(1);
    if (port == 9) actual[0].change_results().clones.resize(1);
  }
  EXPECT_TRUE(actual[0].results().clones.empty());
  EXPECT_GT(redirects, 100U);
}

TEST_F(OpenclDevice, TakesMorePacketsThanOneLaunch) { compare({}, with("r9 &= 3\nr0 = r9\nexit\n"), 10'000); }

TEST_F(OpenclDevice, StopsWhatReachesTooFarAndNothingElse) {
  const char* const text = "r0 = *(u8 *)(r1 + 3)\nr1 += r0\nr0 = *(u32 *)(r1 + 0)\nexit";
  std::vector<Frame> expected, actual;
  for (unsigned n = 0; n < 64; ++n) {
    const Bytes memory = {1, 2, 3, static_cast<std::uint8_t>(n), 5, 6, 7, 8, 9};
    for (auto* frames : {&expected, &actual}) frames->push_back(Frame::raw(exec::testing::as_bytes(memory)));
  }
  Rig rig{.type = isa::ProgType::raw_memory};
  ASSERT_TRUE(exec::testing::open_device(rig, text)->run(expected));
  rig.engine = testing::opencl_here();
  const auto device = exec::testing::open_device(rig, text);
  const auto report = device->run(actual);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->traps, 58U);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(testing::difference(expected[i], actual[i]), "") << i;
  EXPECT_THAT(exec::testing::trap_of(actual.back()), ::testing::HasSubstr("at instruction 2"));
}

// Of 8 bytes in the stack, whose end differs from packet to packet, with a text that is constant.
TEST_F(OpenclDevice, ComparesTexts) {
  const MapRef texts = exec::testing::make_array(8, 1, BPF_F_RDONLY_PROG, "values");
  std::memcpy(texts->memory().base, "abc\0xyz", 8);
  for (const char* middle :
       {"r1 = 0x63626100\n", "r1 = 0x6261\n", "r1 = 0x7a00636261 ll\n", "r1 = *(u8 *)(r7 + 3)\n"}) {
    compare({.maps = {texts}}, with((std::string(middle) + "*(u64 *)(r10 -8) = r1\nr1 = r10\nr1 += -8\nr2 = 8\n"
                                                           "r3 = map[values][0] + 0 ll\ncall bpf_strncmp\n"
                                                           "*(u64 *)(r7 + 0) = r0\n")
                                        .c_str()));
  }
}

TEST_F(OpenclDevice, TellsTheTimeOfTheBatch) {
  exec::Environment environment = exec::testing::plain_environment();
  environment.monotonic_ns = [] { return 123'456'789'012ULL; };
  for (const char* clock : {"ktime_get_ns", "ktime_get_coarse_ns", "jiffies64"}) {
    compare({.environment = &environment}, with(fmt::format("call bpf_{}\n*(u64 *)(r7 + 0) = r0\n", clock).c_str()));
  }
}

TEST_F(OpenclDevice, ComplainsOfWhatIsNotThere) {
  Rig rig{.maps = {map_of(isa::MapType::array, 4, 8, 1)}, .engine = testing::opencl_here()};
  const auto program = exec::testing::verified(rig, "r1 = map[values] ll\nr0 = 1\nexit");
  const auto image = rig.engine->compile(program, {});
  const auto device = rig.engine->open({});
  ASSERT_TRUE(image && device);
  auto frames = packets(1);
  EXPECT_EQ((*device)->run(frames).error().message, "no program is loaded");
  ASSERT_TRUE((*device)->load(*image));
  EXPECT_EQ((*device)->run(frames).error().message, "map values of program test is not bound");
  EXPECT_FALSE((*device)->bind(7, rig.maps[0]));
}

// ---- batches -------------------------------------------------------------------------------------------------------

double metric(const exec::Device& device, std::string_view name) {
  const auto all = device.counters().metrics;
  const auto found = std::ranges::find(all, name, &exec::Metric::name);
  return found == all.end() ? -1 : found->value;
}

constexpr const char* kDrop = "r0 = 1\nexit";

TEST_F(OpenclDevice, LaunchesAreNoLargerThanAsked) {
  const auto device = testing::open_device({}, kDrop, {.offload = {.batch = 100}});
  ASSERT_NE(device, nullptr);
  auto frames = packets(1050);
  ASSERT_TRUE(device->run(frames));
  EXPECT_EQ(metric(*device, "launches"), 11);
  EXPECT_EQ(metric(*device, "largest_launch"), 100);
}

// The first launch is small, since nobody knows yet how long it takes; none takes more packets than there were asked.
TEST_F(OpenclDevice, LaunchesAreAsLargeAsLatencyAllows) {
  const auto device = testing::open_device({}, kDrop, {.offload = {.batch = 500, .max_latency_us = 1}});
  ASSERT_NE(device, nullptr);
  auto frames = packets(2000);
  ASSERT_TRUE(device->run(frames));
  EXPECT_GT(metric(*device, "launches"), 4);
  EXPECT_LE(metric(*device, "largest_launch"), 500);
  for (const Frame& frame : frames) EXPECT_EQ(frame.return_value, 1U);
  const auto patient = testing::open_device({}, kDrop, {.offload = {.max_latency_us = 1'000'000}});
  ASSERT_TRUE(patient->run(frames));
  EXPECT_GT(metric(*patient, "largest_launch"), 16);
}

// Only what a program may reach travels: 14 bytes of packets that it reads the type of.
TEST_F(OpenclDevice, OnlyHeadersTravel) {
  const char* const text =
      "r7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr0 = 1\nr2 = r7\nr2 += 14\nif r2 > r8 goto out\n"
      "r3 = *(u16 *)(r7 + 12)\n*(u8 *)(r7 + 0) = r3\nr0 = 2\nout: exit";
  std::vector<Frame> expected, actual;
  for (auto* side : {&expected, &actual}) {
    for (unsigned i = 0; i < 40; ++i) side->push_back(*Frame::make(exec::testing::as_bytes(Bytes(1000, 7))));
  }
  const auto reference = exec::testing::open_device({}, text);
  const auto device = testing::open_device({}, text, {.offload = {.copies = true}});
  ASSERT_TRUE(reference != nullptr && device != nullptr);
  ASSERT_TRUE(reference->run(expected));
  ASSERT_TRUE(device->run(actual));
  EXPECT_EQ(metric(*device, "copied_each_way"), 40 * 14);
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_EQ(testing::difference(expected[i], actual[i]), "");
}

TEST_F(OpenclDevice, NothingTravelsWhereMemoryIsShared) {
  const auto device = testing::open_device({}, kDrop, {});
  ASSERT_NE(device, nullptr);
  if (!devices_found().front().shares_memory) GTEST_SKIP() << "the device has memory of its own";
  auto frames = packets(100);
  ASSERT_TRUE(device->run(frames));
  EXPECT_EQ(metric(*device, "copied_each_way"), 0);
}

// Whatever it says of a packet's edges and its way on, the frame stays a frame.
TEST(OpenclResults, DoNotTrustTheDevice) {
  const Rig rig;
  const auto program = exec::testing::verified(rig, "r2 = 4\ncall bpf_xdp_adjust_head\nr0 = 2\nexit");
  const std::vector<GroupMap> maps = {{.map = map_of(isa::MapType::hash, 64, 8, 4)}, {}};
  const FrameUse use = use_of_frames(*program, true);
  const exec::DeviceOptions options{.environment = rig.environment};
  ResultTaker taker(*program, options, use, maps);
  std::uint64_t seed = 1;
  const auto random = [&](std::uint32_t most) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::uint32_t>(seed >> 33) % (most + 1);
  };
  for (unsigned round = 0; round < 20'000; ++round) {
    Frame frame = *Frame::make(exec::testing::as_bytes(Bytes(5000)));
    if (round % 2 == 0) frame.set_linear(1000);
    PacketRecord record{.meta = random(300) * 4, .data = random(2000), .end = random(9000), .packet_end = random(9000)};
    if (random(1) == 0) record.data = record.meta;
    if (random(1) == 0) record.end = record.packet_end;
    record.redirect = static_cast<std::uint8_t>(random(3));
    record.redirect_map = static_cast<std::uint16_t>(random(3));
    std::ignore = taker.take(frame, {.done = kDoneMore, .record = record});
    ASSERT_TRUE(exec::kFrameHeader <= frame.data_meta() && frame.data_meta() <= frame.data() &&
                frame.data() <= frame.data_end() && frame.data_end() <= frame.packet_end());
    ASSERT_LE(frame.packet_end(), round % 2 == 0 ? frame.capacity() : frame.limit());
    ASSERT_EQ(frame.results().redirect.map_type, 0U);
  }
}

// The kernel says what it was asked for at the most.
TEST(OpenclAwake, KeepsIdleProcessorsFromHalting) {
  const Awake awake;
  if (!awake.granted()) GTEST_SKIP() << "/dev/cpu_dma_latency cannot be opened";
  const int file = open("/dev/cpu_dma_latency", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  std::int32_t most_us = -1;
  EXPECT_EQ(read(file, &most_us, sizeof most_us), static_cast<ssize_t>(sizeof most_us));
  close(file);
  EXPECT_EQ(most_us, 0);
}

}  // namespace
}  // namespace forager::jit::opencl
