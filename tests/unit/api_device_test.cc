// SPDX-License-Identifier: Apache-2.0
//
// Backends and devices of the public library: packets in, verdicts and packets out, maps shared.
#include <gmock/gmock.h>
#include <linux/bpf.h>

#include <atomic>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/lanes.h"
#include "tests/unit/api_testing.h"

namespace forager {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::size_t kFrame = 60;

struct Counter {
  std::uint64_t packets, bytes;
};

// An Ethernet frame from 02:00:00:00:00:`source` to 02:00:00:00:00:ff; its protocol is none.
Packet frame_from(std::uint8_t source) {
  Packet packet;
  packet.bytes.resize(kFrame);
  packet.bytes[0] = packet.bytes[6] = std::byte{2};
  packet.bytes[5] = std::byte{0xff};
  packet.bytes[11] = static_cast<std::byte>(source);
  return packet;
}

Device opened(const Object& object, const std::string& program, const DeviceOptions& options = {.backend = "interp"}) {
  auto device = Device::open(object.program(program).value(), options);
  if (!device) throw std::runtime_error(device.error().text());
  return std::move(*device);
}

TEST(ApiBackends, TheInterpreterIsAlwaysThereAndTheKernelSaysWhyNot) {
  const auto all = backends();
  ASSERT_GE(all.size(), 2U);
  const auto interpreter = std::ranges::find(all, "interp", &Backend::name);
  ASSERT_NE(interpreter, all.end());
  EXPECT_TRUE(interpreter->available);
  for (const Backend& backend : all) {
    EXPECT_FALSE(backend.summary.empty()) << backend.name;
    EXPECT_NE(backend.available, !backend.reason.empty()) << backend.name;
  }
}

TEST(ApiDevice, RunsPacketsAndHandsThemBack) {
  Device device = opened(loaded("xdp_tx"), "xdp_tx");
  EXPECT_EQ(device.backend(), "interp");
  std::vector<Packet> packets = {frame_from(1), frame_from(2), {.bytes = Bytes(6)}};
  const auto report = device.run(packets);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->packets, 3U);
  EXPECT_EQ(report->stopped, 0U);
  EXPECT_EQ(packets[0].verdict, XDP_TX);
  EXPECT_EQ(packets[1].bytes[5], std::byte{2});  // addresses swapped
  EXPECT_EQ(packets[1].bytes[11], std::byte{0xff});
  EXPECT_EQ(packets[2].verdict, XDP_DROP);  // too short for Ethernet
  EXPECT_EQ(packets[2].bytes, Bytes(6));
}

TEST(ApiDevice, EveryBackendThatIsThereGivesTheSamePackets) {
  for (const Backend& backend : backends()) {
    auto device = Device::open(*loaded("xdp_tx").program(), {.backend = std::string(backend.name)});
    ASSERT_EQ(device.has_value(), backend.available) << backend.name;
    if (!device) continue;
    EXPECT_EQ(device->backend(), backend.name);
    std::vector<Packet> packets = {frame_from(7)};
    const auto report = device->run(packets);
    ASSERT_TRUE(report) << report.error().text();
    EXPECT_EQ(packets[0].verdict, XDP_TX) << backend.name;
    EXPECT_EQ(packets[0].bytes[5], std::byte{7}) << backend.name;
    EXPECT_FALSE(packets[0].stopped) << backend.name;
  }
}

TEST(ApiDevice, NoPacketsAreNoWork) {
  const auto report = opened(loaded("xdp_tx"), "xdp_tx").run({});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->packets, 0U);
}

TEST(ApiDevice, ProgramsSeeInterfaceAndQueueAndItsMapsAreTheObjects) {
  const Object object = loaded("xdp_rxq_info");
  Device device = opened(object, "xdp_rxq_info");
  std::vector<Packet> packets(130, frame_from(1));  // more than one batch
  for (Packet& packet : packets) packet.ingress_ifindex = 3, packet.rx_queue = 5;
  ASSERT_TRUE(device.run(packets));
  struct Arrival {
    std::uint32_t ifindex, queue;
  };
  const auto queue = object.map("queues")->lookup(bytes_of(5U));
  const auto arrival = object.map("arrivals")->lookup(bytes_of(Arrival{3, 5}));
  ASSERT_TRUE(queue && arrival);
  std::uint64_t on_queue = 0, arrived = 0;
  for (std::size_t at = 0; at < queue->size(); at += sizeof(Counter)) {
    on_queue += value_of<Counter>(*queue, at).packets;
    arrived += value_of<Counter>(*arrival, at).bytes;
  }
  EXPECT_EQ(on_queue, packets.size());
  EXPECT_EQ(arrived, packets.size() * kFrame);
}

TEST(ApiDevice, SeesWhatTheHostWritesBetweenRuns) {
  const Object object = loaded("xdp_rxq_info");
  Device device = opened(object, "xdp_rxq_info");
  std::vector<Packet> packets = {frame_from(1)};
  ASSERT_TRUE(device.run(packets));
  EXPECT_EQ(packets[0].verdict, XDP_DROP);
  ASSERT_TRUE(object.map(".data")->update(bytes_of(0U), bytes_of(std::uint32_t{XDP_PASS})));
  ASSERT_TRUE(device.run(packets));
  EXPECT_EQ(packets[0].verdict, XDP_PASS);
}

TEST(ApiDevice, RedirectsNameTheInterface) {
  const Object object = loaded("xdp_redirect_map");
  Device device = opened(object, "xdp_redirect_map", {.backend = "interp", .ports = {2}});
  ASSERT_TRUE(object.map("ports")->update(bytes_of(1U), bytes_of(2U)));
  std::vector<Packet> packets = {frame_from(1), frame_from(2)};
  ASSERT_TRUE(device.run(packets));
  EXPECT_EQ(packets[0].verdict, XDP_REDIRECT);
  EXPECT_EQ(packets[0].redirect_ifindex, 2U);
  EXPECT_EQ(packets[1].verdict, XDP_DROP);  // an empty slot
  EXPECT_EQ(packets[1].redirect_ifindex, 0U);
}

TEST(ApiDevice, ARedirectThatTheProgramThoughtBetterOfIsNone) {
  Device device = opened(loaded("api/api_mixed"), "redirect_but_drop", {.backend = "interp", .ports = {3}});
  std::vector<Packet> packets = {frame_from(1)};
  ASSERT_TRUE(device.run(packets));
  EXPECT_EQ(packets[0].verdict, XDP_DROP);
  EXPECT_EQ(packets[0].redirect_ifindex, 0U);
}

// The object's descriptors are what keeps a PROG_ARRAY filled.
TEST(ApiDevice, TailCallsGoOnAfterTheObjectIsForgotten) {
  std::optional<Object> object = loaded("xdp_tail_parser");
  const Map stats = *object->map("stats");
  Device device = opened(*object, "xdp_tail_parser");
  object.reset();
  Packet packet = frame_from(1);
  packet.bytes[12] = std::byte{0x08};  // IPv4, with a header that says nothing
  ASSERT_TRUE(device.run({&packet, 1}));
  EXPECT_EQ(packet.verdict, XDP_DROP);
  constexpr std::size_t kIpv4Headers = 1;  // enum parser
  EXPECT_EQ(value_of<std::uint64_t>(*stats.lookup(bytes_of(0U)), kIpv4Headers * sizeof(std::uint64_t)), 1U);
}

TEST(ApiDevice, MovesAndEndsWithoutItsProgram) {
  std::optional<Device> device = opened(loaded("xdp_tx"), "xdp_tx");
  Device moved = std::move(*device);
  device.reset();
  std::vector<Packet> packets = {frame_from(1)};
  ASSERT_TRUE(moved.run(packets));
  moved = opened(loaded("xdp_drop"), "xdp_drop");
  ASSERT_TRUE(moved.run(packets));
  EXPECT_EQ(packets[0].verdict, XDP_DROP);
}

// More devices than there are CPUs: some share a lane of the per-CPU map, and still no increment is lost.
TEST(ApiDevice, DevicesOnManyThreadsLoseNoPerCpuUpdate) {
  const Object object = loaded("api/api_mixed");
  const Map lanes = *object.map("lanes");
  ASSERT_TRUE(lanes.update(bytes_of(7U), Bytes(lanes.host_value_size())));
  const std::size_t devices = 2 * lanes.host_value_size() / 8;
  constexpr std::size_t kPackets = 20000;
  std::vector<std::thread> threads(devices);
  for (std::thread& thread : threads) {
    thread = std::thread([&object] {
      Device device = opened(object, "count_on_this_cpu");
      std::vector<Packet> packets(kPackets, frame_from(1));
      EXPECT_TRUE(device.run(packets));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Bytes counts = *lanes.lookup(bytes_of(7U));
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at < counts.size(); at += 8) sum += value_of<std::uint32_t>(counts, at);
  EXPECT_EQ(sum, devices * kPackets);
}

TEST(ApiLanes, EachDeviceGetsTheLaneWithTheFewest) {
  api::Lanes lanes(2);
  auto first = lanes.take(), second = lanes.take(), third = lanes.take();
  EXPECT_EQ(first->number(), 0U);
  EXPECT_EQ(second->number(), 1U);
  EXPECT_EQ(third->number(), 0U);
  second.reset();
  EXPECT_EQ(lanes.take()->number(), 1U);
}

TEST(ApiLanes, DevicesOfOneLaneTakeTurnsAndOthersDoNot) {
  api::Lanes lanes(2);
  const auto first = lanes.take(), other_lane = lanes.take(), same_lane = lanes.take();
  std::atomic<bool> ended = false;
  auto turn = first->turn();
  const auto at_once = other_lane->turn();
  std::thread waiting([&] {
    const auto own = same_lane->turn();
    EXPECT_TRUE(ended);
  });
  std::this_thread::yield();
  ended = true;
  turn.unlock();
  waiting.join();
}

TEST(ApiDevice, AnUnknownBackendIsAnsweredWithThoseThereAre) {
  const auto device = Device::open(*loaded("xdp_tx").program(), {.backend = "abacus"});
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().kind, ErrorKind::input);
  std::string names;
  for (const Backend& backend : backends()) names += (names.empty() ? "" : ", ") + std::string(backend.name);
  EXPECT_EQ(device.error().text(), "no backend is named 'abacus'; there are: " + names);
}

TEST(ApiDevice, AnUnknownFallbackIsRefusedThoughItIsNotNeeded) {
  const auto device = Device::open(*loaded("xdp_tx").program(), {.backend = "interp", .fallback = {"abacus"}});
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().kind, ErrorKind::input);
}

TEST(ApiDevice, WithoutANameTheFirstBackendThatTakesTheProgram) {
  const auto all = backends();
  EXPECT_EQ(opened(loaded("xdp_tx"), "xdp_tx", {}).backend(), std::ranges::find(all, true, &Backend::available)->name);
}

TEST(ApiDevice, ProgramsOfOtherTypesAreRefused) {
  const auto device = Device::open(*loaded("api/api_mixed").program("classify"));
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().kind, ErrorKind::unsupported);
  EXPECT_THAT(device.error().text(), AllOf(HasSubstr("classify"), HasSubstr("sched_cls")));
}

TEST(ApiDevice, ATooLongPacketStopsTheRunBeforeItBegins) {
  Device device = opened(loaded("xdp_drop"), "xdp_drop");
  std::vector<Packet> packets = {frame_from(1), {.bytes = Bytes(300 * 1024)}};
  packets[0].verdict = XDP_PASS;
  const auto report = device.run(packets);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::limit);
  EXPECT_EQ(report.error().text(), "packet 1 is too long; limit 262144, asked 307200");
  EXPECT_EQ(packets[0].verdict, XDP_PASS);  // nothing ran
}

TEST(ApiDevice, LeavesNoDescriptorsBehind) {
  const Object object = loaded("xdp_rxq_info");
  const int before = open_descriptors();
  {
    Device device = opened(object, "xdp_rxq_info", {.backend = "interp", .checked = true});
    std::vector<Packet> packets = {frame_from(1)};
    ASSERT_TRUE(device.run(packets));
  }
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace forager
