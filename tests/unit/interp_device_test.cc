// SPDX-License-Identifier: Apache-2.0
//
// The interpreter as a backend and a device: what it says it can do, binding, counters, repeated loads.
#include "exec_testing.h"

namespace forager::interp {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::make_array;
using exec::testing::open_device;
using exec::testing::verified;

std::vector<Frame> frames_of(std::size_t count) {
  std::vector<Frame> frames(count);
  for (Frame& frame : frames) frame = *Frame::make(exec::testing::as_bytes(Bytes(60)));
  return frames;
}

TEST(Backend, SaysWhatItRuns) {
  const exec::Capabilities& able = backend().capabilities();
  EXPECT_EQ(backend().name(), "interp");
  EXPECT_TRUE(able.available);
  const auto has = [&](isa::Op op) { return able.ops.test(static_cast<std::size_t>(op)); };
  EXPECT_TRUE(has(isa::Op::call_local));
  EXPECT_TRUE(has(isa::Op::lddw_map_idx_value));
  EXPECT_FALSE(has(isa::Op::callx));
  EXPECT_FALSE(has(isa::Op::call_kfunc));
  EXPECT_TRUE(has(isa::Op::ldabsw));
  EXPECT_TRUE(able.helpers.test(1));
  EXPECT_TRUE(able.helpers.test(12));
  EXPECT_FALSE(able.helpers.test(149));  // snprintf_btf
  EXPECT_TRUE(able.map_types.test(static_cast<std::size_t>(isa::MapType::hash)));
  EXPECT_THAT(able.program_types, ::testing::IsSupersetOf({isa::ProgType::xdp, isa::ProgType::raw_memory}));
}

TEST(Backend, ImagesListTheirProgram) {
  const auto image = backend().compile(verified({}, "r0 = 2\nexit"), {});
  ASSERT_TRUE(image);
  EXPECT_EQ((*image)->bytes(), 16U);
  EXPECT_EQ((*image)->backend(), "interp");
  EXPECT_THAT((*image)->listing(), ::testing::HasSubstr("r0 = 2"));
}

TEST(Device, RunsFramesInOrderAndCounts) {
  const auto counter = make_array(8);
  const auto device = open_device({.maps = {counter}},
                                  "r1 = map[0][0]+0 ll\nr0 = *(u64 *)(r1 +0)\nr0 += 1\n*(u64 *)(r1 +0) = r0\nexit");
  ASSERT_NE(device, nullptr);
  auto frames = frames_of(3);
  const auto report = device->run(frames);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->packets, 3U);
  EXPECT_EQ(report->traps, 0U);
  for (std::size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(frames[i].return_value, i + 1);
  EXPECT_EQ(device->counters().packets, 3U);
  EXPECT_EQ(device->counters().instructions, 15U);
}

TEST(Device, ATrapStopsItsFrameOnly) {
  const auto device = open_device({.unverified = true}, "r2 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r2 +50)\nr0 = 2\nexit");
  ASSERT_NE(device, nullptr);
  auto frames = frames_of(3);
  ASSERT_EQ(frames[1].adjust_tail(-20), 0);
  const auto report = device->run(frames);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->traps, 1U);
  EXPECT_EQ(frames[0].return_value, 2U);
  EXPECT_NE(frames[1].results().trap, nullptr);
  EXPECT_EQ(frames[1].return_value, 0U);
  EXPECT_EQ(frames[2].return_value, 2U);
  ASSERT_TRUE(device->run(std::span(frames).first(1)));
  EXPECT_EQ(frames[0].results().trap, nullptr);
}

TEST(Device, VerdictsAre32BitsWide) {
  EXPECT_EQ(exec::testing::run({}, "r0 = 0x100000002 ll\nexit").return_value, 2U);
  EXPECT_EQ(exec::testing::result_of("r0 = 0x100000002 ll\nexit"), 0x100000002U);
}

TEST(Device, MapsMustBeBoundAndFit) {
  const auto map = make_array(8);
  const auto image = backend().compile(verified({.maps = {map}}, "r1 = map[0] ll\nr0 = 2\nexit"), {});
  ASSERT_TRUE(image);
  auto device = *backend().open({});
  auto frames = frames_of(1);
  EXPECT_FALSE(device->run(frames));
  EXPECT_FALSE(device->bind(0, map));
  ASSERT_TRUE(device->load(*image));
  const auto unbound = device->run(frames);
  ASSERT_FALSE(unbound);
  EXPECT_EQ(unbound.error().message, "map values of program test is not bound");
  EXPECT_FALSE(device->bind(1, map));
  EXPECT_FALSE(device->bind(0, nullptr));
  EXPECT_FALSE(device->bind(0, make_array(16)));
  EXPECT_TRUE(device->bind(0, map));
  EXPECT_TRUE(device->run(frames));
  EXPECT_EQ(frames[0].return_value, 2U);
}

TEST(Device, AProgramIsReplacedByLoadingAnother) {
  auto device = *backend().open({});
  auto frames = frames_of(1);
  for (const bool checked : {false, true, false}) {
    for (const int verdict : {1, 2, 3}) {
      const auto image =
          backend().compile(verified({}, "r0 = " + std::to_string(verdict) + "\nexit"), {.checked = checked});
      ASSERT_TRUE(image);
      ASSERT_TRUE(device->load(*image));
      ASSERT_TRUE(device->run(frames));
      EXPECT_EQ(frames[0].return_value, static_cast<std::uint64_t>(verdict));
    }
  }
  EXPECT_EQ(device->counters().packets, 9U);
  EXPECT_EQ(device->counters().instructions, 18U);
}

TEST(Device, RandomNumbersRepeatWithTheirSeed) {
  const auto image = backend().compile(verified({}, "call bpf_get_prandom_u32\nexit"), {});
  ASSERT_TRUE(image);
  const auto numbers = [&](std::uint64_t seed) {
    auto device = *backend().open({.environment = &exec::testing::plain_environment(), .seed = seed});
    EXPECT_TRUE(device->load(*image));
    auto frames = frames_of(4);
    EXPECT_TRUE(device->run(frames));
    std::vector<std::uint64_t> values;
    values.reserve(frames.size());
    for (const Frame& frame : frames) values.push_back(frame.return_value);
    return values;
  };
  EXPECT_EQ(numbers(7), numbers(7));
  EXPECT_NE(numbers(7), numbers(8));
  EXPECT_NE(numbers(7)[0], numbers(7)[1]);
}

}  // namespace
}  // namespace forager::interp
