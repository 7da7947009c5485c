// SPDX-License-Identifier: Apache-2.0
//
// Which lane runs which packet, and that flows keep their order where others do not.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "jit-backends/opencl/lanes.h"
#include "maps/registry.h"
#include "opencl_testing.h"

namespace forager::jit::opencl {
namespace {

using exec::Frame;
using exec::testing::Bytes;

struct Flow {
  std::uint8_t from = 1, to = 2;
  std::uint8_t from_port = 10, to_port = 20;
};

Bytes udp(const Flow& flow, bool tagged = false) {
  Bytes bytes(12);
  if (tagged) bytes.insert(bytes.end(), {0x81, 0x00, 0x00, 0x07});
  bytes.insert(bytes.end(), {0x08, 0x00,
                             0x45, 0,
                             0,    28,
                             0,    0,
                             0,    0,
                             64,   17,
                             0,    0,
                             10,   0,
                             0,    flow.from,
                             10,   0,
                             0,    flow.to,
                             0,    flow.from_port,
                             0,    flow.to_port,
                             0,    8,
                             0,    0});
  return bytes;
}
Bytes udp6(const Flow& flow) {
  Bytes bytes(12);
  bytes.insert(bytes.end(), {0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64});
  for (const std::uint8_t end : {flow.from, flow.to}) {
    bytes.insert(bytes.end(), 15, 0xfd);
    bytes.push_back(end);
  }
  bytes.insert(bytes.end(), {0, flow.from_port, 0, flow.to_port, 0, 8, 0, 0});
  return bytes;
}
std::uint32_t flow_of(const Bytes& bytes) { return opencl::flow_of(exec::testing::as_bytes(bytes)); }

TEST(OpenclLanes, BothDirectionsAreOneFlow) {
  const Flow there{1, 2, 10, 20}, back{2, 1, 20, 10};
  EXPECT_EQ(flow_of(udp(there)), flow_of(udp(back)));
  EXPECT_EQ(flow_of(udp(there)), flow_of(udp(there, true)));
  EXPECT_EQ(flow_of(udp6(there)), flow_of(udp6(back)));
}

TEST(OpenclLanes, FlowsDiffer) {
  std::set<std::uint32_t> seen;
  for (std::uint8_t i = 0; i < 100; ++i) {
    seen.insert(flow_of(udp({.to = i})));
    seen.insert(flow_of(udp({.to_port = i})));
    seen.insert(flow_of(udp6({.to = i})));
  }
  EXPECT_EQ(seen.size(), 299U);  // one is in two rows
}

// Further parts of a packet have no ports.
TEST(OpenclLanes, PartsOfPacketsAreOfTheirAddresses) {
  Bytes first = udp({}), second = udp({.from_port = 99, .to_port = 98});
  first[20] = 0x20;
  second[21] = 0x10;
  EXPECT_EQ(flow_of(first), flow_of(second));
}

// Whatever is cut short has a flow.
TEST(OpenclLanes, AnyBytesHaveAFlow) {
  const Bytes whole = udp({}, true);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(flow_of(part), flow_of(part));
  }
}

std::vector<Frame> frames_of(unsigned count) {
  std::vector<Frame> frames;
  frames.reserve(count);
  for (unsigned i = 0; i < count; ++i) {
    frames.push_back(
        *Frame::make(exec::testing::as_bytes(udp({.from = static_cast<std::uint8_t>(i % 17), .to_port = 1}))));
  }
  return frames;
}
// Each packet has a place, and packets of a lane stand in their order.
void expect_all_in_order(const Lanes& lanes, unsigned count) {
  ASSERT_EQ(lanes.order.size(), count);
  std::vector<std::uint32_t> all = lanes.order;
  std::ranges::sort(all);
  for (std::uint32_t i = 0; i < count; ++i) EXPECT_EQ(all[i], i);
  for (std::size_t lane = 0; lane + 1 < lanes.begins.size(); ++lane) {
    EXPECT_TRUE(std::is_sorted(lanes.order.begin() + lanes.begins[lane], lanes.order.begin() + lanes.begins[lane + 1]));
  }
  EXPECT_EQ(lanes.begins.front(), 0U);
  EXPECT_EQ(lanes.begins.back(), count);
}

TEST(OpenclLanes, HaveEqualParts) {
  auto frames = frames_of(100);
  const Lanes lanes = lanes_of(Frames(frames), 3, exec::Order::none);
  EXPECT_TRUE(lanes.order.empty());
  EXPECT_EQ(lanes.begins, (std::vector<std::uint32_t>{0, 33, 66, 100}));
}

TEST(OpenclLanes, TakeSomeOfABatch) {
  auto frames = frames_of(100);
  const std::vector<std::uint32_t> numbers = {7, 8, 30, 99};
  const Frames all(frames), some(frames, numbers);
  EXPECT_EQ(&some[2], &frames[30]);
  EXPECT_EQ(some.distance(3), 92U);
  EXPECT_TRUE(some.has_gaps());
  EXPECT_FALSE(some.part(0, 2).has_gaps());
  EXPECT_EQ(&some.from(3)[0], &frames[99]);
  EXPECT_EQ(&all.part(40, 10)[5], &frames[45]);
  EXPECT_EQ(all.part(40, 10).distance(5), 5U);
  EXPECT_FALSE(all.has_gaps());
  EXPECT_TRUE(Frames(frames, {}).empty());
}

TEST(OpenclLanes, HaveWholeFlows) {
  auto frames = frames_of(200);
  const Lanes lanes = lanes_of(Frames(frames), 3, exec::Order::flow);
  expect_all_in_order(lanes, 200);
  std::vector<std::set<unsigned>> lanes_of_flow(17);
  for (unsigned lane = 0; lane < 3; ++lane) {
    for (std::uint32_t at = lanes.begins[lane]; at < lanes.begins[lane + 1]; ++at) {
      lanes_of_flow[lanes.order[at] % 17].insert(lane);
    }
  }
  for (const auto& of : lanes_of_flow) EXPECT_EQ(of.size(), 1U);
}

// A program that numbers the packets of each flow by reading and writing a map gives the interpreter's numbers.
class OpenclFlows : public testing::WithDevice {};

TEST_F(OpenclFlows, KeepTheirOrder) {
  constexpr const char* kNumber =
      "r7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr0 = r7\nr0 += 42\nif r0 > r8 goto out\nr1 = *(u8 *)(r7 + 29)\n"
      "*(u32 *)(r10 - 4) = r1\nr2 = r10\nr2 += -4\nr1 = map[values] ll\ncall bpf_map_lookup_elem\nif r0 == 0 goto new\n"
      "r1 = *(u64 *)(r0 + 0)\nr1 += 1\n*(u64 *)(r0 + 0) = r1\n*(u32 *)(r7 + 0) = r1\ngoto out\n"
      "new: *(u64 *)(r10 - 16) = 1\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 1\nr1 = map[values] ll\n"
      "call bpf_map_update_elem\n*(u32 *)(r7 + 0) = 1\nout: r0 = 2\nexit";
  const auto make = [] {
    return *maps::create(
        {.type = isa::MapType::hash, .key_size = 4, .value_size = 8, .max_entries = 64, .name = "values"}, 2);
  };
  const exec::testing::Rig rig{.maps = {make()}}, other{.maps = {make()}};
  const auto reference = exec::testing::open_device(rig, kNumber);
  const auto tested = testing::open_device(other, kNumber, {.order = exec::Order::flow});
  ASSERT_TRUE(reference != nullptr && tested != nullptr);
  auto expected = frames_of(5000), actual = frames_of(5000);
  ASSERT_TRUE(reference->run(expected));
  ASSERT_TRUE(tested->run(actual));
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(testing::difference(expected[i], actual[i]), "") << i;
}

}  // namespace
}  // namespace forager::jit::opencl
