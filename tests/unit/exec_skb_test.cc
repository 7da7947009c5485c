// SPDX-License-Identifier: Apache-2.0
//
// Frames of programs that see a __sk_buff: where they stand, what their context says, how they grow, how they leave.
// helpers_skb_kernel_test compares what programs see of them with the kernel.
#include "exec/skb.h"

#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <vector>

#include "exec/verdict.h"

namespace forager::exec {
namespace {

using isa::ProgType;

// An IPv4 packet of `size` bytes from 10.0.0.1 to 10.0.0.2.
std::vector<std::byte> ipv4_packet(std::size_t size = 64) {
  std::vector<std::byte> packet(size);
  packet[12] = std::byte{8};
  packet[14] = std::byte{0x45};
  packet[26] = packet[30] = std::byte{10};
  packet[29] = std::byte{1};
  packet[33] = std::byte{2};
  return packet;
}

std::uint32_t field(const Frame& frame, std::size_t offset) { return get<std::uint32_t>(frame, offset); }

TEST(Skb, ClassifiersSeeTheLinkHeaderAndOthersDoNot) {
  const Frame with = *make_skb(ipv4_packet(), ProgType::sched_cls);
  EXPECT_EQ(with.packet().size(), 64U);
  EXPECT_EQ(with.skb->mac_header, with.data());
  EXPECT_EQ(skb_network_offset(with), 14);
  const Frame without = *make_skb(ipv4_packet(), ProgType::cgroup_skb);
  EXPECT_EQ(without.packet().size(), 50U);
  EXPECT_EQ(without.skb->mac_header + 14, without.data());
  EXPECT_EQ(skb_network_offset(without), 0);
  EXPECT_EQ(field(without, offsetof(__sk_buff, len)), 50U);
}

TEST(Skb, ContextSaysWhatTheEthernetHeaderDoes) {
  auto packet = ipv4_packet();
  EXPECT_EQ(skb_protocol(*make_skb(packet, ProgType::sched_cls)), 0x0800);
  packet[12] = std::byte{0};
  EXPECT_EQ(skb_protocol(*make_skb(packet, ProgType::sched_cls)), ETH_P_802_2);
  packet[14] = packet[15] = std::byte{0xff};
  EXPECT_EQ(skb_protocol(*make_skb(packet, ProgType::sched_cls)), ETH_P_802_3);
}

TEST(Skb, PacketTypeIsByTheDevicesAddresses) {
  const SkbDevice port = skb_device({}, 7);
  EXPECT_EQ(port.mac, (Mac{2, 0, 0, 0, 0, 7}));
  const auto type_of = [&](const Mac& to) {
    auto packet = ipv4_packet();
    std::memcpy(packet.data(), to.data(), to.size());
    return field(*make_skb(packet, ProgType::sched_cls, port), offsetof(__sk_buff, pkt_type));
  };
  EXPECT_EQ(type_of(port.mac), static_cast<std::uint32_t>(PACKET_HOST));
  EXPECT_EQ(type_of(port.broadcast), static_cast<std::uint32_t>(PACKET_BROADCAST));
  EXPECT_EQ(type_of({1, 0, 0x5e, 0, 0, 1}), static_cast<std::uint32_t>(PACKET_MULTICAST));
  EXPECT_EQ(type_of({2, 9, 9, 9, 9, 9}), static_cast<std::uint32_t>(PACKET_OTHERHOST));
}

TEST(Skb, DummySocketHasThePacketsAddresses) {
  const Frame frame = *make_skb(ipv4_packet(), ProgType::sched_cls);
  bpf_sock view{};
  std::memcpy(&view, frame.socket->view.data(), sizeof view);
  EXPECT_EQ(view.family, static_cast<__u32>(AF_INET));
  EXPECT_EQ(view.src_ip4, 0x0100000aU);
  EXPECT_EQ(view.dst_ip4, 0x0200000aU);
}

TEST(Skb, PacketsWithoutAnEthernetHeaderAreRefused) {
  const auto frame = make_skb(std::vector<std::byte>(13), ProgType::sched_cls);
  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().kind, ErrorKind::input);
}

TEST(Skb, WholeNetworkHeadersAreToldFromCutOnes) {
  EXPECT_TRUE(has_network_header(ipv4_packet(34)));
  EXPECT_FALSE(has_network_header(ipv4_packet(33)));
  EXPECT_TRUE(has_network_header(std::vector<std::byte>(14)));
  EXPECT_FALSE(has_network_header(std::vector<std::byte>(13)));
}

TEST(Skb, GrowingKeepsBytesAndHeaders) {
  Frame frame = *make_skb(ipv4_packet(), ProgType::sched_cls);
  ASSERT_TRUE(skb_reserve(frame, 1000, 2000));
  EXPECT_EQ(frame.skb->mac_header, frame.data());
  EXPECT_EQ(skb_network_offset(frame), 14);
  EXPECT_GE(frame.data(), 1000U);
  EXPECT_GE(frame.capacity() - frame.data_end(), 2000U);
  const auto packet = ipv4_packet();
  EXPECT_TRUE(std::ranges::equal(frame.packet(), packet));
  EXPECT_FALSE(skb_reserve(frame, kMaxBufferBytes));
}

TEST(Skb, LengthFollowsTheEdges) {
  Frame frame = *make_skb(ipv4_packet(), ProgType::sched_cls);
  skb_pull(frame, 4);
  EXPECT_EQ(field(frame, offsetof(__sk_buff, len)), 60U);
  skb_push(frame, 8);
  EXPECT_EQ(field(frame, offsetof(__sk_buff, len)), 68U);
  skb_set_length(frame, 20);
  EXPECT_EQ(field(frame, offsetof(__sk_buff, len)), 20U);
  EXPECT_EQ(frame.packet().size(), 20U);
}

TEST(Skb, PacketsLeaveWithTheirLinkHeaderAndTag) {
  const auto packet = ipv4_packet();
  Frame frame = *make_skb(packet, ProgType::sched_cls);
  EXPECT_EQ(skb_on_the_wire(frame), packet);
  set(frame, offsetof(__sk_buff, vlan_present), std::uint32_t{1});
  set(frame, offsetof(__sk_buff, vlan_proto), std::uint32_t{0x0081});
  set(frame, offsetof(__sk_buff, vlan_tci), std::uint32_t{0x2064});
  const auto tagged = skb_on_the_wire(frame);
  ASSERT_EQ(tagged.size(), packet.size() + 4);
  const std::array<std::byte, 4> tag{std::byte{0x81}, std::byte{0x00}, std::byte{0x20}, std::byte{0x64}};
  EXPECT_TRUE(std::equal(tag.begin(), tag.end(), tagged.begin() + 12));

  const auto again = skb_on_the_wire(*make_skb(packet, ProgType::lwt_out));
  ASSERT_EQ(again.size(), packet.size());
  EXPECT_EQ(again[12], std::byte{8});
}

TEST(Verdict, FatesAreByTypeAndValue) {
  EXPECT_EQ(fate_of(ProgType::xdp, 3), Fate::returned);
  EXPECT_EQ(fate_of(ProgType::xdp, 77), Fate::dropped);
  EXPECT_EQ(fate_of(ProgType::sched_cls, 0), Fate::passed);
  EXPECT_EQ(fate_of(ProgType::sched_cls, UINT32_MAX), Fate::passed);
  EXPECT_EQ(fate_of(ProgType::sched_cls, 2), Fate::dropped);
  EXPECT_EQ(fate_of(ProgType::sched_cls, 7), Fate::redirected);
  EXPECT_EQ(fate_of(ProgType::socket_filter, 0), Fate::dropped);
  EXPECT_EQ(fate_of(ProgType::socket_filter, 96), Fate::passed);
  EXPECT_EQ(fate_of(ProgType::cgroup_skb, 2), Fate::dropped);
  EXPECT_EQ(fate_of(ProgType::lwt_in, 128), Fate::passed);
}

}  // namespace
}  // namespace forager::exec
