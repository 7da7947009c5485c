// SPDX-License-Identifier: Apache-2.0
//
// Packets of the stack with a linear part and fragments: what a program reaches by pointers, and which helpers make
// more of a packet linear (linux/skbuff.h pskb_may_pull, skb_ensure_writable). Test runs of Linux 6.18 make no such
// packets, so that there is no kernel to ask here.
#include <fmt/format.h>

#include "exec/skb.h"
#include "exec_testing.h"

namespace forager::helpers {
namespace {

using exec::Frame;
using exec::testing::Bytes;

constexpr std::uint32_t kBytes = 2000, kLinear = 60;

// An IPv4 packet, whose byte n behind the headers is n.
Frame packet(std::uint32_t linear = kLinear) {
  Bytes bytes(kBytes);
  for (std::size_t i = 34; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  bytes[12] = 0x08;
  bytes[14] = 0x45;
  Frame frame = *exec::make_skb(exec::testing::as_bytes(bytes), isa::ProgType::sched_cls);
  frame.set_linear(linear);
  return frame;
}

Frame run(const std::string& text, Frame frame = packet()) {
  const auto device =
      exec::testing::open_device({.type = isa::ProgType::sched_cls, .checked = true}, "r6 = r1\n" + text + "exit");
  if (device == nullptr) return frame;
  EXPECT_TRUE(device->run({&frame, 1}));
  EXPECT_EQ(exec::testing::trap_of(frame), "") << text;
  return frame;
}

std::uint32_t linear_bytes(const Frame& frame) { return frame.data_end() - frame.data(); }

std::string call(const std::string& helper, std::initializer_list<std::int64_t> arguments) {
  std::string text = "r1 = r6\n";
  int number = 2;
  for (const std::int64_t argument : arguments) text += fmt::format("r{} = {}\n", number++, argument);
  return text + "call bpf_" + helper + "\n";
}

// Four bytes to or from the stack.
std::string copy(const std::string& helper, std::uint32_t offset) {
  return fmt::format("*(u32 *)(r10 -4) = 7\nr1 = r6\nr2 = {}\nr3 = r10\nr3 += -4\nr4 = 4\n{}call bpf_{}\n", offset,
                     helper == "skb_store_bytes" ? "r5 = 0\n" : "", helper);
}

TEST(NonLinearSkb, PointersReachTheLinearPartOnly) {
  const Frame frame = run("r2 = *(u32 *)(r6 +76)\nr0 = *(u32 *)(r6 +80)\nr0 -= r2\n");
  EXPECT_EQ(frame.return_value, kLinear);
  EXPECT_EQ(run("r0 = *(u32 *)(r6 +0)\n").return_value, kBytes) << "len is all of it";
}

TEST(NonLinearSkb, LoadsReachAllOfItAndChangeNothing) {
  const Frame frame = run(copy("skb_load_bytes", 1000) + "r0 = *(u32 *)(r10 -4)\n");
  EXPECT_EQ(frame.return_value, 0xebeae9e8U);
  EXPECT_EQ(linear_bytes(frame), kLinear);
  EXPECT_EQ(run("r0 = *(u16 *)skb[1000]\n").return_value, 0xe8e9U) << "legacy loads too";
}

TEST(NonLinearSkb, PullMakesLinearWhatIsAskedFor) {
  EXPECT_EQ(linear_bytes(run(call("skb_pull_data", {500}))), 500U);
  EXPECT_EQ(linear_bytes(run(call("skb_pull_data", {kBytes}))), kBytes);
  EXPECT_EQ(linear_bytes(run(call("skb_pull_data", {10}))), kLinear);
  EXPECT_EQ(linear_bytes(run(call("skb_pull_data", {0}))), kLinear);
  const Frame refused = run(call("skb_pull_data", {kBytes + 1}));
  EXPECT_EQ(static_cast<std::int32_t>(refused.return_value), -ENOMEM);
  EXPECT_EQ(linear_bytes(refused), kLinear);
}

TEST(NonLinearSkb, WhatChangesBecomesLinear) {
  EXPECT_EQ(linear_bytes(run(copy("skb_store_bytes", 1000))), 1004U);
  EXPECT_EQ(linear_bytes(run(copy("skb_store_bytes", 0))), kLinear);
  EXPECT_EQ(linear_bytes(run(copy("skb_store_bytes", kBytes - 3))), kLinear) << "refused";
  EXPECT_EQ(linear_bytes(run(call("l3_csum_replace", {100, 0, 1, 0}))), 102U);
  EXPECT_EQ(linear_bytes(run(call("l4_csum_replace", {200, 0, 1, 0}))), 202U);
}

TEST(NonLinearSkb, ChangedTailsMakeAllOfItLinear) {
  EXPECT_EQ(linear_bytes(run(call("skb_change_tail", {3000, 0}))), 3000U);
  EXPECT_EQ(linear_bytes(run(call("skb_change_tail", {1000, 0}))), 1000U);
}

TEST(NonLinearSkb, RoomAtTheHeadIsLinear) {
  const Frame grown = run(call("skb_change_head", {100, 0}));
  EXPECT_EQ(linear_bytes(grown), kLinear + 100);
  EXPECT_EQ(grown.packet().size(), kBytes + 100);
  const Frame inner = run(call("skb_adjust_room", {20, 0, 0}));
  EXPECT_EQ(linear_bytes(inner), kLinear + 20);
  const Frame shrunk = run(call("skb_adjust_room", {-40, 0, 0}));
  EXPECT_EQ(linear_bytes(shrunk), 34U) << "the removed bytes had to be linear";
  EXPECT_EQ(shrunk.packet().size(), kBytes - 40);
}

TEST(NonLinearSkb, TagsStandInTheLinearPart) {
  const std::string push = call("skb_vlan_push", {0x81, 5});
  const Frame frame = run(push + push, packet(14));
  EXPECT_EQ(linear_bytes(frame), 18U);
  EXPECT_EQ(frame.packet().size(), kBytes + 4);
  const Frame popped = run(push + push + call("skb_vlan_pop", {}) + call("skb_vlan_pop", {}), packet(14));
  EXPECT_EQ(popped.packet().size(), kBytes);
  EXPECT_EQ(linear_bytes(popped), 14U);
}

TEST(NonLinearSkb, TheWholePacketLeaves) {
  const Frame frame = run(call("clone_redirect", {1, 0}));
  ASSERT_EQ(frame.results().clones.size(), 1U);
  EXPECT_EQ(frame.results().clones[0].packet.size(), kBytes);
  EXPECT_EQ(exec::skb_on_the_wire(frame).size(), kBytes);
}

}  // namespace
}  // namespace forager::helpers
