// SPDX-License-Identifier: Apache-2.0
//
// Legacy packet loads (LD_ABS, LD_IND): network order, offsets behind the packet's start and its headers, and the end
// of the function where the packet has no such bytes.
#include <fmt/format.h>

#include "exec/skb.h"
#include "exec_testing.h"

namespace forager::interp {
namespace {

using exec::Frame;
using exec::testing::Bytes;
using exec::testing::Rig;
using exec::testing::trap_of;

constexpr std::int32_t kNetwork = -0x100000, kLink = -0x200000;  // SKF_NET_OFF, SKF_LL_OFF

// Runs a socket filter on an Ethernet frame of 64 bytes, whose byte n is n; as Linux has it, data begins behind the
// Ethernet header.
Frame run_filter(const std::string& text, bool checked = false) {
  Bytes packet(64);
  for (std::size_t i = 0; i < packet.size(); ++i) packet[i] = static_cast<std::uint8_t>(i);
  Frame frame = *Frame::make(exec::testing::as_bytes(packet));
  EXPECT_EQ(frame.adjust_head(14), 0);
  frame.skb = std::make_shared<exec::Skb>();
  frame.skb->mac_header = frame.data() - 14;
  frame.skb->network_header = frame.data();
  const auto device = exec::testing::open_device({.type = isa::ProgType::socket_filter, .checked = checked}, text);
  if (device == nullptr) return frame;
  EXPECT_TRUE(device->run({&frame, 1}));
  EXPECT_EQ(trap_of(frame), "") << text;
  return frame;
}

std::uint64_t loaded(const std::string& size, std::int64_t offset) {
  return run_filter(fmt::format("r6 = r1\nr0 = *({} *)skb[{}]\nr0 += 1\nexit", size, offset)).return_value;
}

TEST(PacketLoads, AreInNetworkOrder) {
  EXPECT_EQ(loaded("u8", 0), 14U + 1);
  EXPECT_EQ(loaded("u16", 0), 0x0e0fU + 1);
  EXPECT_EQ(loaded("u32", 1), 0x0f101112U + 1);
}

TEST(PacketLoads, CountFromTheHeadersToo) {
  EXPECT_EQ(loaded("u16", kNetwork + 2), 0x1011U + 1);
  EXPECT_EQ(loaded("u16", kLink), 0x0001U + 1);
  EXPECT_EQ(loaded("u32", kLink + 60), 0x3c3d3e3fU + 1);
}

TEST(PacketLoads, OutsideThePacketTheFilterReturnsZero) {
  EXPECT_EQ(loaded("u8", 49), 63U + 1);
  EXPECT_EQ(loaded("u8", 50), 0U);
  EXPECT_EQ(loaded("u16", 49), 0U);
  EXPECT_EQ(loaded("u32", kLink + 61), 0U);
  EXPECT_EQ(loaded("u8", -1), 0U);
  EXPECT_EQ(loaded("u8", kLink - 1), 0U);
  EXPECT_EQ(loaded("u8", INT32_MIN), 0U);
  EXPECT_EQ(loaded("u8", INT32_MAX), 0U);
}

TEST(PacketLoads, IndirectOnesAddTheRegister) {
  const auto indirect = [](const std::string& index, int offset) {
    return run_filter(fmt::format("r6 = r1\nr7 = {}\nr0 = *(u16 *)skb[r7 + {}]\nr0 += 1\nexit", index, offset))
        .return_value;
  };
  EXPECT_EQ(indirect("4", 2), 0x1415U + 1);
  EXPECT_EQ(indirect("-4", 4), 0x0e0fU + 1);
  EXPECT_EQ(indirect("49", 0), 0U);
  EXPECT_EQ(indirect("0x100000004 ll", 0), 0x1213U + 1) << "offsets are 32 bits";
}

TEST(PacketLoads, LeaveTheArgumentRegistersUndefined) {
  Rig rig{.type = isa::ProgType::socket_filter, .checked = true, .unverified = true};
  Frame frame = exec::testing::run(rig, "r6 = r1\nr2 = 1\nr0 = *(u8 *)skb[0]\nr0 = r2\nexit");
  EXPECT_THAT(trap_of(frame), ::testing::StartsWith("r2 is read but was never written"));
  EXPECT_EQ(run_filter("r6 = r1\nr7 = 5\nr0 = *(u8 *)skb[0]\nr0 = r7\nexit", true).return_value, 5U);
}

TEST(PacketLoads, EndTheFunctionThatTheyAreIn) {
  Rig rig{.type = isa::ProgType::socket_filter, .unverified = true};
  const Frame frame =
      exec::testing::run(rig, "r6 = r1\ncall f\nr0 += 100\nexit\nf: r6 = r1\nr0 = *(u8 *)skb[1000]\nr0 = 7\nexit");
  EXPECT_EQ(trap_of(frame), "");
  EXPECT_EQ(frame.return_value, 100U);
}

}  // namespace
}  // namespace forager::interp
