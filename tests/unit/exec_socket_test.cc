// SPDX-License-Identifier: Apache-2.0
//
// Sockets and the directory of them: who a packet is for.
#include "exec/socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>

namespace forager::exec {
namespace {

Address address(const char* text) {
  Address out{};
  const int family = std::strchr(text, ':') != nullptr ? AF_INET6 : AF_INET;
  EXPECT_EQ(inet_pton(family, text, out.data()), 1) << text;
  return out;
}

SocketAddresses ends(const char* local, std::uint16_t local_port, const char* remote = nullptr,
                     std::uint16_t remote_port = 0) {
  SocketAddresses out{.ipv6 = std::strchr(local, ':') != nullptr};
  out.local = address(local);
  out.local_port = htons(local_port);
  if (remote != nullptr) out.remote = address(remote);
  out.remote_port = htons(remote_port);
  return out;
}

std::shared_ptr<Socket> tcp(const SocketAddresses& addresses, std::uint8_t state) {
  return std::make_shared<Socket>(addresses, Socket::kTcp, state);
}
std::shared_ptr<Socket> udp(const SocketAddresses& addresses) {
  return std::make_shared<Socket>(addresses, Socket::kUdp, Socket::kClose);
}

SocketQuery from(const SocketAddresses& addresses, std::uint8_t protocol = Socket::kTcp, std::uint32_t ifindex = 1) {
  return {.addresses = addresses, .protocol = protocol, .ifindex = ifindex};
}

TEST(Socket, ItsViewIsStructBpfSock) {
  const auto socket = tcp(ends("10.0.0.1", 80, "10.0.0.2", 4000), Socket::kEstablished);
  bpf_sock seen{};
  std::memcpy(&seen, socket->view.data(), sizeof seen);
  EXPECT_EQ(seen.family, static_cast<unsigned>(AF_INET));
  EXPECT_EQ(seen.type, static_cast<unsigned>(SOCK_STREAM));
  EXPECT_EQ(seen.protocol, 6U);
  EXPECT_EQ(seen.src_ip4, htonl(0x0a000001));
  EXPECT_EQ(seen.dst_ip4, htonl(0x0a000002));
  EXPECT_EQ(seen.src_port, 80U) << "in host order, unlike dst_port";
  EXPECT_EQ(seen.dst_port, htons(4000));
  EXPECT_EQ(seen.state, 1U);
  EXPECT_EQ(seen.rx_queue_mapping, -1);
}

TEST(Socket, OptionsAreKeptAndShown) {
  const auto socket = udp(ends("::", 53));
  EXPECT_EQ(socket->option(SOL_SOCKET, SO_MARK), std::nullopt);
  socket->set_option(SOL_SOCKET, SO_MARK, 7);
  socket->set_option(SOL_SOCKET, SO_PRIORITY, 3);
  socket->set_option(SOL_SOCKET, SO_BINDTOIFINDEX, 2);
  EXPECT_EQ(socket->option(SOL_SOCKET, SO_MARK), 7);
  EXPECT_EQ(socket->bound_ifindex(), 2U);
  bpf_sock seen{};
  std::memcpy(&seen, socket->view.data(), sizeof seen);
  EXPECT_EQ(seen.mark, 7U);
  EXPECT_EQ(seen.priority, 3U);
  EXPECT_EQ(seen.bound_dev_if, 2U);
}

TEST(SocketDirectory, AConnectionComesBeforeListenersAndABoundAddressBeforeAny) {
  SocketDirectory directory;
  const auto any = tcp(ends("0.0.0.0", 80), Socket::kListen), bound = tcp(ends("10.0.0.1", 80), Socket::kListen);
  const auto connected = tcp(ends("10.0.0.1", 80, "10.0.0.2", 4000), Socket::kEstablished);
  for (const auto& socket : {connected, bound, any}) directory.add(socket);
  EXPECT_EQ(directory.find(from(ends("10.0.0.1", 80, "10.0.0.2", 4000))), connected);
  EXPECT_EQ(directory.find(from(ends("10.0.0.1", 80, "10.0.0.2", 4001))), bound);
  EXPECT_EQ(directory.find(from(ends("10.0.0.9", 80, "10.0.0.2", 4000))), any);
  EXPECT_EQ(directory.find(from(ends("10.0.0.1", 81, "10.0.0.2", 4000))), nullptr);
  EXPECT_EQ(directory.find(from(ends("10.0.0.1", 80, "10.0.0.2", 4000), Socket::kUdp)), nullptr);
}

TEST(SocketDirectory, ASocketThatNeitherListensNorIsConnectedIsNotFound) {
  SocketDirectory directory;
  directory.add(tcp(ends("10.0.0.1", 80), Socket::kClose));
  EXPECT_EQ(directory.find(from(ends("10.0.0.1", 80, "10.0.0.2", 1))), nullptr);
}

TEST(SocketDirectory, Ipv4PacketsReachIpv6SocketsOnAnyAddressUnlessTheyAreIpv6Only) {
  SocketDirectory directory;
  const auto both = tcp(ends("::", 80), Socket::kListen), only = tcp(ends("::", 81), Socket::kListen);
  const auto mapped = tcp(ends("::ffff:10.0.0.1", 82, "::ffff:10.0.0.2", 9), Socket::kEstablished);
  only->ipv6_only = true;
  for (const auto& socket : {both, only, mapped}) directory.add(socket);
  EXPECT_EQ(directory.find(from(ends("10.0.0.1", 80, "10.0.0.2", 1))), both);
  EXPECT_EQ(directory.find(from(ends("fe80::1", 80, "fe80::2", 1))), both);
  EXPECT_EQ(directory.find(from(ends("10.0.0.1", 81, "10.0.0.2", 1))), nullptr);
  EXPECT_EQ(directory.find(from(ends("fe80::1", 81, "fe80::2", 1))), only);
  EXPECT_EQ(directory.find(from(ends("10.0.0.1", 82, "10.0.0.2", 9))), mapped);
  const auto native = tcp(ends("0.0.0.0", 80), Socket::kListen);
  directory.add(native);
  EXPECT_EQ(directory.find(from(ends("10.0.0.1", 80, "10.0.0.2", 1))), native) << "its own family first";
  EXPECT_EQ(directory.find(from(ends("::1", 80, "::1", 1))), both) << "an IPv4 socket gets no IPv6";
}

TEST(SocketDirectory, ConnectedDatagramSocketsTakeTheirPeersOnly) {
  SocketDirectory directory;
  const auto any = udp(ends("0.0.0.0", 53)), bound = udp(ends("10.0.0.1", 53));
  const auto connected = udp(ends("10.0.0.1", 53, "10.0.0.2", 9));
  for (const auto& socket : {connected, bound, any}) directory.add(socket);
  EXPECT_EQ(directory.find(from(ends("10.0.0.1", 53, "10.0.0.2", 9), Socket::kUdp)), connected);
  EXPECT_EQ(directory.find(from(ends("10.0.0.1", 53, "10.0.0.2", 8), Socket::kUdp)), bound);
  EXPECT_EQ(directory.find(from(ends("10.0.0.3", 53, "10.0.0.2", 9), Socket::kUdp)), any);
}

TEST(SocketDirectory, ASocketBoundToADeviceTakesItsPacketsFirstAndNoOthers) {
  SocketDirectory directory;
  const auto bound = udp(ends("0.0.0.0", 53)), any = udp(ends("0.0.0.0", 53));
  bound->set_option(SOL_SOCKET, SO_BINDTOIFINDEX, 3);
  directory.add(bound);
  directory.add(any);
  EXPECT_EQ(directory.find(from(ends("10.0.0.1", 53, "10.0.0.2", 1), Socket::kUdp, 3)), bound);
  EXPECT_EQ(directory.find(from(ends("10.0.0.1", 53, "10.0.0.2", 1), Socket::kUdp, 2)), any);
}

TEST(SocketDirectory, ARequestBelongsToTheListenerOfItsAddress) {
  SocketDirectory directory;
  const auto listener = tcp(ends("0.0.0.0", 80), Socket::kListen);
  const auto request = tcp(ends("10.0.0.1", 80, "10.0.0.2", 4000), Socket::kNewSynRecv);
  directory.add(listener);
  directory.add(request);
  EXPECT_FALSE(request->full());
  EXPECT_EQ(directory.find(from(request->addresses())), request);
  EXPECT_EQ(directory.listener_of(*request), listener);
  directory.remove(*listener);
  EXPECT_EQ(directory.listener_of(*request), nullptr);
}

TEST(SocketDirectory, CookiesAreUniqueAndNoKernels) {
  SocketDirectory directory;
  const auto first = udp(ends("0.0.0.0", 1)), second = udp(ends("0.0.0.0", 2)), own = udp(ends("0.0.0.0", 3));
  own->cookie = 12;
  for (const auto& socket : {first, second, own}) directory.add(socket);
  EXPECT_NE(first->cookie, second->cookie);
  EXPECT_GE(first->cookie, 1ULL << 48);
  EXPECT_EQ(own->cookie, 12U);
  EXPECT_EQ(SocketDirectory(directory).all().size(), 3U);
}

TEST(SocketDirectory, MayChangeWhileItIsSearched) {
  SocketDirectory directory;
  const auto stays = tcp(ends("0.0.0.0", 80), Socket::kListen);
  directory.add(stays);
  std::vector<std::jthread> threads;
  for (std::uint16_t me = 0; me < 4; ++me) {
    threads.emplace_back([&directory, &stays, me] {
      for (int i = 0; i < 500; ++i) {
        const auto mine = tcp(ends("10.0.0.1", 80, "10.0.0.2", me + 1), Socket::kEstablished);
        directory.add(mine);
        EXPECT_EQ(directory.find(from(mine->addresses())), mine);
        directory.remove(*mine);
        EXPECT_EQ(directory.find(from(mine->addresses())), stays);
        mine->set_option(SOL_SOCKET, SO_MARK, i);
        stays->set_option(SOL_SOCKET, SO_MARK, i);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(directory.all().size(), 1U);
}

}  // namespace
}  // namespace forager::exec
