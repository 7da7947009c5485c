// SPDX-License-Identifier: Apache-2.0
//
// bpf_user_ringbuf_drain: a program's callback gets one sample after another, may stop, and may be stopped.
#include <linux/bpf.h>

#include "exec_testing.h"
#include "maps/registry.h"

namespace forager::helpers {
namespace {

using exec::testing::Rig;
using exec::testing::run;
using exec::testing::trap_of;

constexpr std::size_t kPage = 4096;

std::shared_ptr<exec::Map> ring() {
  return *maps::create({.type = isa::MapType::user_ringbuf, .max_entries = 4096, .name = "ring"}, 2);
}

std::uint64_t& position(exec::Map& map, std::size_t page) {
  return *reinterpret_cast<std::uint64_t*>(map.memory().base + page * kPage);
}
void submit(exec::Map& map, std::uint64_t sample) {
  std::uint64_t& produced = position(map, 1);
  std::byte* at = map.memory().base + 2 * kPage + produced % 4096;
  const std::uint32_t length = sizeof sample;
  std::memcpy(at, &length, sizeof length);
  std::memcpy(at + BPF_RINGBUF_HDR_SZ, &sample, sizeof sample);
  produced += BPF_RINGBUF_HDR_SZ + sizeof sample;
}

// Counts in r10-8 how often `round` was called, and returns 100 * what the helper returned + that.
std::string drain(const std::string& round, int flags = 0) {
  return "*(u64 *)(r10 -8) = 0\nr1 = map[0] ll\nr2 = subprog[round] ll\nr3 = r10\nr3 += -8\nr4 = " +
         std::to_string(flags) +
         "\ncall bpf_user_ringbuf_drain\nr0 *= 100\nr1 = *(u64 *)(r10 -8)\nr0 += r1\nexit\n"
         "round: r3 = *(u64 *)(r2 +0)\nr3 += 1\n*(u64 *)(r2 +0) = r3\n" +
         round;
}

std::int32_t returned(const std::shared_ptr<exec::Map>& map, const std::string& text) {
  const exec::Frame frame = run({.type = isa::ProgType::tracepoint, .maps = {map}}, text);
  EXPECT_EQ(trap_of(frame), "") << text;
  return static_cast<std::int32_t>(frame.return_value);
}

TEST(UserRing, ItsSamplesAreDrainedByACallback) {
  const auto map = ring();
  EXPECT_EQ(returned(map, drain("r0 = 0\nexit")), 0);
  for (std::uint64_t i = 0; i < 3; ++i) submit(*map, i);
  EXPECT_EQ(returned(map, drain("r0 = 0\nexit")), 303);
  EXPECT_EQ(position(*map, 0), position(*map, 1));
}

TEST(UserRing, ACallbackMayStop) {
  const auto map = ring();
  for (std::uint64_t i = 0; i < 3; ++i) submit(*map, i);
  EXPECT_EQ(returned(map, drain("r0 = 1\nexit")), 101);
  EXPECT_EQ(returned(map, drain("r0 = 0\nexit")), 202);
}

TEST(UserRing, FlagsAreChecked) {
  EXPECT_EQ(returned(ring(), drain("r0 = 0\nexit", 4)), -EINVAL * 100);
  EXPECT_EQ(returned(ring(), drain("r0 = 0\nexit", BPF_RB_FORCE_WAKEUP)), 0);
}

TEST(UserRing, WhatTheProducerDidWrongIsTheResult) {
  const auto map = ring();
  position(*map, 1) = 4;
  EXPECT_EQ(returned(map, drain("r0 = 0\nexit")), -EINVAL * 100);
}

// The ring is free again when a program was stopped in the middle of a drain, and only the sample it stood at is gone.
TEST(UserRing, AStoppedProgramLeavesItUsable) {
  const auto map = ring();
  for (std::uint64_t i = 0; i < 3; ++i) submit(*map, i);
  const std::string endless = "here: r0 = *(u64 *)(r2 +0)\nif r0 != 77 goto here\nr0 = 0\nexit";
  const exec::Frame frame =
      run({.type = isa::ProgType::tracepoint, .unverified = true, .maps = {map}, .budget = 200}, drain(endless));
  EXPECT_NE(trap_of(frame), "");
  EXPECT_EQ(returned(map, drain("r0 = 0\nexit")), 202);
}

}  // namespace
}  // namespace forager::helpers
