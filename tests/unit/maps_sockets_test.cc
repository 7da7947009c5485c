// SPDX-License-Identifier: Apache-2.0
//
// SOCKMAP, SOCKHASH and REUSEPORT_SOCKARRAY: what they answer, and the same random operations on the kernel's with real
// sockets on loopback.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "exec/socket.h"
#include "maps/socket_slots.h"
#include "maps_testing.h"

namespace forager::maps::testing {
namespace {

using SocketRef = std::shared_ptr<exec::Socket>;

SocketRef make_socket(std::uint64_t cookie) {
  auto socket = std::make_shared<exec::Socket>(exec::SocketAddresses{}, 6, exec::Socket::kListen);
  socket->cookie = cookie;
  return socket;
}

MapSpec spec_of(MapType type, std::uint32_t value_size = 8) {
  return {.type = type, .key_size = 4, .value_size = value_size, .max_entries = 4};
}

const MapType kTypes[] = {MapType::sockmap, MapType::sockhash, MapType::reuseport_sockarray};
std::string type_name(const ::testing::TestParamInfo<MapType>& info) {
  return std::string(isa::find_map(static_cast<std::uint32_t>(info.param))->name);
}

class MapsSockets : public ::testing::TestWithParam<MapType> {};
INSTANTIATE_TEST_SUITE_P(All, MapsSockets, ::testing::ValuesIn(kTypes), type_name);

TEST_P(MapsSockets, ForgetsASocketInAllItsPlaces) {
  auto map = make(spec_of(GetParam()));
  exec::SocketTable& table = *map->abilities().sockets;
  SocketHolder* holder = socket_holder(*map);
  ASSERT_NE(holder, nullptr);
  const auto gone = make_socket(1), stays = make_socket(2);
  const std::uint32_t keys[] = {0, 1, 3};
  ASSERT_EQ(table.set(&keys[0], gone, BPF_ANY), 0);
  ASSERT_EQ(table.set(&keys[1], stays, BPF_ANY), 0);
  ASSERT_EQ(table.set(&keys[2], gone, BPF_ANY), 0);
  holder->forget(*gone);
  EXPECT_EQ(table.get(&keys[0]), nullptr);
  EXPECT_EQ(table.get(&keys[1]), stays);
  EXPECT_EQ(table.get(&keys[2]), nullptr);
  EXPECT_EQ(map->usage().entries, 1U);
  EXPECT_EQ(gone.use_count(), 1);
  holder->forget(*gone);
  EXPECT_EQ(map->usage().entries, 1U) << "there is nothing to forget";
  EXPECT_EQ(socket_holder(*make({.type = MapType::array, .key_size = 4, .value_size = 8, .max_entries = 1})), nullptr);
}

TEST_P(MapsSockets, HoldsSocketsAndShowsTheirCookies) {
  auto map = make(spec_of(GetParam()));
  exec::SocketTable& table = *map->abilities().sockets;
  const auto socket = make_socket(77);
  const std::uint32_t key = 2;
  std::uint64_t cookie = 0;
  EXPECT_EQ(map->read(&key, &cookie, 0), -ENOENT);
  EXPECT_EQ(table.set(&key, socket, BPF_ANY), 0);
  EXPECT_EQ(map->read(&key, &cookie, 0), 0);
  EXPECT_EQ(cookie, 77U);
  EXPECT_EQ(table.get(&key), socket);
  EXPECT_EQ(table.set(&key, nullptr, BPF_ANY), -EINVAL);
  EXPECT_EQ(map->write(&key, &cookie, BPF_ANY), -EBADF) << "descriptors are bpf(2)'s business";
  EXPECT_EQ(map->usage().entries, 1U);
  map.reset();
  EXPECT_EQ(socket.use_count(), 1);
}

TEST_P(MapsSockets, ValuesWithoutRoomForACookieCannotBeRead) {
  const auto map = make(spec_of(GetParam(), 4));
  const std::uint32_t key = 1;
  std::uint32_t value = 0;
  EXPECT_EQ(map->read(&key, &value, 0), -ENOSPC);
  EXPECT_EQ(map->abilities().sockets->set(&key, make_socket(1), BPF_ANY), 0);
  EXPECT_EQ(map->read(&key, &value, 0), -ENOSPC);
}

// ---- with the kernel
// -------------------------------------------------------------------------------------------------

// A listening socket with SO_REUSEPORT, which all three types take.
int listen_on_loopback() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  const bool made = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0 &&
                    bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(fd, 1) == 0;
  EXPECT_TRUE(made) << std::strerror(errno);
  return fd;
}

struct Pair {
  int fd = -1;
  SocketRef ours;
};

// A socket may stand in one REUSEPORT_SOCKARRAY only once, which is for bpf(2) to see: each key has its own there.
TEST_P(MapsSockets, RandomOperationsAgreeWithTheKernel) {
  if (const std::string missing = kernel_missing(); !missing.empty()) GTEST_SKIP() << missing;
  std::vector<Pair> sockets;
  for (int i = 0; i < 7; ++i) {
    const int fd = listen_on_loopback();
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    ASSERT_EQ(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
    sockets.push_back({fd, make_socket(cookie)});
  }
  const bool once = GetParam() == MapType::reuseport_sockarray;
  const auto map = make(spec_of(GetParam()));
  OurMap ours(map, 1);
  KernelMap theirs(spec_of(GetParam()), 1);
  Random random(7);
  for (int step = 0; step < 2000 && !HasFailure(); ++step) {
    const auto number = static_cast<std::uint32_t>(below(random, 7));
    const Bytes key = bytes_of(number);
    const Pair& with = sockets[once ? number : below(random, sockets.size())];
    const std::uint64_t flags = below(random, 5);
    switch (below(random, 4)) {
      case 0: {
        const bool there = map->abilities().sockets->get(key.data()) != nullptr;
        if (once && there) break;
        ASSERT_EQ(map->abilities().sockets->set(key.data(), with.ours, flags),
                  theirs.write(key, bytes_of(std::int64_t{with.fd}), flags))
            << number << " " << flags;
        break;
      }
      case 1:
        ASSERT_EQ(ours.erase(key), theirs.erase(key)) << number;
        break;
      case 2:
        ASSERT_EQ(ours.read(key, 0), theirs.read(key, 0)) << number;
        break;
      default: {
        auto left = ours.keys(20), right = theirs.keys(20);
        std::ranges::sort(left);
        std::ranges::sort(right);
        ASSERT_EQ(left, right);
      }
    }
  }
  for (const Pair& pair : sockets) close(pair.fd);
}

}  // namespace
}  // namespace forager::maps::testing
