// SPDX-License-Identifier: Apache-2.0
//
// Sockets as elements of maps, by their descriptors: which are taken, what is read back, and the errno of the others,
// ours beside the kernel's.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "syscall_testing.h"

namespace forager::syscall::testing {
namespace {

constexpr int kNotSupported = 524;  // ENOTSUPP

class Sockets : public BpfTest {
 protected:
  void TearDown() override {
    for (const int fd : sockets_) ::close(fd);
    BpfTest::TearDown();
  }
  int socket_of(int domain, int type) {
    sockets_.push_back(::socket(domain, type, 0));
    EXPECT_GE(sockets_.back(), 0) << std::strerror(errno);
    return sockets_.back();
  }
  // Bound to a free port of 127.0.0.1.
  int bound(int type, bool reuse = false) {
    const int fd = socket_of(AF_INET, type), on = 1;
    if (reuse) {
      EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
    }
    sockaddr_in name{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    return fd;
  }
  int listener(bool reuse = false) {
    const int fd = bound(SOCK_STREAM, reuse);
    EXPECT_EQ(::listen(fd, 4), 0);
    return fd;
  }
  int connected_to(int to) {
    sockaddr_in name{};
    socklen_t size = sizeof name;
    EXPECT_EQ(::getsockname(to, reinterpret_cast<sockaddr*>(&name), &size), 0);
    const int fd = socket_of(AF_INET, SOCK_STREAM);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&name), size), 0);
    return fd;
  }
  static __u64 cookie(int fd) {
    __u64 value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &value, &size), 0);
    return value;
  }

  int map_of(unsigned type, unsigned value_size = 8) { return create_map(map_attr(type, 4, value_size, 4)); }
  long put(int map, __u32 key, __u64 fd, __u64 flags = BPF_ANY) {
    return bpf(BPF_MAP_UPDATE_ELEM, element_attr(map, &key, &fd, flags));
  }
  // The cookie, or the errno.
  std::int64_t get(int map, __u32 key) {
    __u64 value = 0;
    const long error = bpf(BPF_MAP_LOOKUP_ELEM, element_attr(map, &key, &value));
    return error != 0 ? error : static_cast<std::int64_t>(value);
  }
  long close_socket(int fd) {
    std::erase(sockets_, fd);
    return system().close(fd);
  }
  long erase(int map, __u32 key) { return bpf(BPF_MAP_DELETE_ELEM, element_attr(map, &key, nullptr)); }

 private:
  std::vector<int> sockets_;
};
FORAGER_ON_BOTH(Sockets);

// qemu-user knows some options of sockets, and cookies are none of them.
class SocketCookies : public Sockets {
 protected:
  void SetUp() override {
    Sockets::SetUp();
    __u64 value = 0;
    socklen_t size = sizeof value;
    if (getsockopt(socket_of(AF_INET, SOCK_STREAM), SOL_SOCKET, SO_COOKIE, &value, &size) != 0) {
      GTEST_SKIP() << "getsockopt(2) knows no SO_COOKIE here";
    }
  }
};
FORAGER_ON_BOTH(SocketCookies);

TEST_P(SocketCookies, AreReadBackAsTheirCookies) {
  const int listening = listener();
  const int client = connected_to(listening);
  for (const unsigned type : {BPF_MAP_TYPE_SOCKMAP, BPF_MAP_TYPE_SOCKHASH}) {
    const int map = map_of(type);
    EXPECT_EQ(get(map, 1), -ENOENT);
    EXPECT_EQ(put(map, 1, static_cast<__u64>(listening)), 0);
    EXPECT_EQ(put(map, 2, static_cast<__u64>(client)), 0);
    EXPECT_EQ(get(map, 1), static_cast<std::int64_t>(cookie(listening)));
    EXPECT_EQ(get(map, 2), static_cast<std::int64_t>(cookie(client)));
    EXPECT_EQ(put(map, 2, static_cast<__u64>(client), BPF_NOEXIST), -EEXIST);
    EXPECT_EQ(put(map, 3, static_cast<__u64>(client), BPF_EXIST), -ENOENT);
    EXPECT_EQ(put(map, 2, static_cast<__u64>(listening)), 0) << "in another's place";
    EXPECT_EQ(get(map, 2), static_cast<std::int64_t>(cookie(listening)));
    EXPECT_EQ(erase(map, 2), 0);
    EXPECT_EQ(get(map, 2), -ENOENT);
  }
}

TEST_P(Sockets, AreReadWhereACookieHasRoom) {
  const int listening = listener();
  const int map = map_of(BPF_MAP_TYPE_SOCKMAP, 4);
  EXPECT_EQ(put(map, 0, static_cast<__u64>(listening)), 0);
  EXPECT_EQ(get(map, 0), -ENOSPC);
}

TEST_P(Sockets, MapsOfRedirectsTakeWhatCanReceive) {
  const int map = map_of(BPF_MAP_TYPE_SOCKMAP);
  const int file = ::open("/dev/null", O_RDONLY);
  EXPECT_EQ(put(map, 0, static_cast<__u64>(file)), -ENOTSOCK);
  ::close(file);
  EXPECT_EQ(put(map, 0, 1'000'000), -EBADF);
  EXPECT_EQ(put(map, 0, __u64{1} << 32), -EINVAL) << "no descriptor has that number";
  EXPECT_EQ(put(map, 0, static_cast<__u64>(bound(SOCK_STREAM))), -EOPNOTSUPP) << "it neither listens nor is connected";
  EXPECT_EQ(put(map, 0, static_cast<__u64>(bound(SOCK_DGRAM))), 0);
  EXPECT_EQ(put(map, 0, static_cast<__u64>(socket_of(AF_UNIX, SOCK_STREAM))), -EOPNOTSUPP) << "not connected";
  EXPECT_EQ(put(map, 7, static_cast<__u64>(listener())), -E2BIG);
  EXPECT_EQ(erase(map, 7), -EINVAL);
}

TEST_P(SocketCookies, LeaveTheirMapsWhenTheyAreClosed) {
  for (const unsigned type : {BPF_MAP_TYPE_SOCKMAP, BPF_MAP_TYPE_SOCKHASH, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY}) {
    const int map = map_of(type), other = map_of(BPF_MAP_TYPE_SOCKHASH);
    const int first = listener(true), second = listener(true);
    ASSERT_EQ(put(map, 1, static_cast<__u64>(first)), 0) << type;
    ASSERT_EQ(put(map, 2, static_cast<__u64>(second)), 0);
    if (type != BPF_MAP_TYPE_REUSEPORT_SOCKARRAY) {  // whose sockets Linux keeps out of the others
      ASSERT_EQ(put(other, 0, static_cast<__u64>(first)), 0);
    }
    close_socket(first);
    EXPECT_EQ(get(map, 1), -ENOENT);
    EXPECT_EQ(get(other, 0), -ENOENT);
    EXPECT_EQ(get(map, 2), static_cast<std::int64_t>(cookie(second)));
    EXPECT_EQ(put(map, 1, static_cast<__u64>(listener(true)), BPF_NOEXIST), 0) << "the place is free";
  }
}

TEST_P(SocketCookies, StayWhileADescriptorIsOpen) {
  const int map = map_of(BPF_MAP_TYPE_SOCKHASH);
  const int first = listener(), second = ::dup(first);
  const std::int64_t name = static_cast<std::int64_t>(cookie(first));
  ASSERT_EQ(put(map, 1, static_cast<__u64>(first)), 0);
  close_socket(first);
  EXPECT_EQ(get(map, 1), name);
  EXPECT_EQ(put(map, 2, static_cast<__u64>(second)), 0) << "by its other descriptor";
  EXPECT_EQ(get(map, 2), name);
  EXPECT_EQ(close_socket(second), 0);
  EXPECT_EQ(get(map, 1), -ENOENT);
  __u32 next = 0;
  EXPECT_EQ(bpf(BPF_MAP_GET_NEXT_KEY, element_attr(map, nullptr, &next)), -ENOENT);
}

// By a shared library, say: ours alone, since nothing passes the kernel by.
TEST(SocketsHere, AreMissedWhenTheyAreLookedUp) {
  OurSystem system;
  const auto call = [&](int command, bpf_attr attr) { return system.bpf(command, &attr, sizeof attr); };
  const long map = call(BPF_MAP_CREATE, map_attr(BPF_MAP_TYPE_SOCKMAP, 4, 8, 4));
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const __u32 key = 1;
  __u64 value = static_cast<__u64>(fd);
  ASSERT_EQ(call(BPF_MAP_UPDATE_ELEM, element_attr(map, &key, &value)), 0);
  EXPECT_EQ(call(BPF_MAP_LOOKUP_ELEM, element_attr(map, &key, &value)), 0);
  ::close(fd);
  EXPECT_EQ(call(BPF_MAP_LOOKUP_ELEM, element_attr(map, &key, &value)), -ENOENT);
  EXPECT_EQ(call(BPF_MAP_DELETE_ELEM, element_attr(map, &key, nullptr)), -EINVAL) << "it is gone";
  EXPECT_TRUE(system.process.runtime.environment.sockets.all().empty());
}

TEST_P(SocketCookies, GroupsOfAPortTakeItsMembers) {
  const int map = map_of(BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
  const int member = listener(true);
  EXPECT_EQ(put(map, 0, static_cast<__u64>(member)), 0);
  EXPECT_EQ(get(map, 0), static_cast<std::int64_t>(cookie(member)));
  EXPECT_EQ(put(map, 1, static_cast<__u64>(bound(SOCK_DGRAM, true))), 0);
  EXPECT_EQ(put(map, 2, static_cast<__u64>(listener())), -EINVAL) << "without SO_REUSEPORT";
  EXPECT_EQ(put(map, 2, static_cast<__u64>(bound(SOCK_STREAM, true))), -EINVAL) << "nobody listens";
  EXPECT_EQ(put(map, 2, static_cast<__u64>(socket_of(AF_UNIX, SOCK_STREAM))), -kNotSupported);
  EXPECT_EQ(put(map, 9, static_cast<__u64>(member)), -E2BIG);
  EXPECT_EQ(erase(map, 0), 0);
  EXPECT_EQ(get(map, 0), -ENOENT);
}

}  // namespace
}  // namespace forager::syscall::testing
