// SPDX-License-Identifier: Apache-2.0
//
// bpf_sk_lookup_* and bpf_skc_lookup_tcp against the running kernel's: real sockets on loopback, the same ones in our
// directory, and the same program on both, asked for tuples that fit and for tuples that nearly do.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <random>

#include "exec/socket.h"
#include "kernel_run.h"

namespace forager::helpers {
namespace {

using namespace exec::testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using exec::Socket;

struct End {
  exec::Address address{};
  std::uint16_t port = 0;  // network order
};

End end_of(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  End out;
  if (ask(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return out;
  if (name.ss_family == AF_INET6) {
    const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(name);
    std::memcpy(out.address.data(), &ipv6.sin6_addr, 16);
    out.port = ipv6.sin6_port;
  } else {
    const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(name);
    std::memcpy(out.address.data(), &ipv4.sin_addr, 4);
    out.port = ipv4.sin_port;
  }
  return out;
}

struct Wanted {
  bool ipv6;
  bool tcp;
  const char* address;
  bool ipv6_only = false;
};

// The kernel's sockets, and ours beside them.
class Sockets {
 public:
  Sockets() { environment.helpers = helpers::table(); }
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;
  ~Sockets() {
    for (const int fd : fds_) close(fd);
  }

  int bind_one(const Wanted& wanted, std::uint16_t port = 0) {
    const int fd = socket(wanted.ipv6 ? AF_INET6 : AF_INET, (wanted.tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    const int one = 1, only = wanted.ipv6_only ? 1 : 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (wanted.ipv6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    sockaddr_in ipv4{.sin_family = AF_INET, .sin_port = port, .sin_addr = {}, .sin_zero = {}};
    sockaddr_in6 ipv6{
        .sin6_family = AF_INET6, .sin6_port = port, .sin6_flowinfo = 0, .sin6_addr = {}, .sin6_scope_id = 0};
    inet_pton(wanted.ipv6 ? AF_INET6 : AF_INET, wanted.address,
              wanted.ipv6 ? static_cast<void*>(&ipv6.sin6_addr) : &ipv4.sin_addr);
    const auto* name = wanted.ipv6 ? reinterpret_cast<sockaddr*>(&ipv6) : reinterpret_cast<sockaddr*>(&ipv4);
    EXPECT_EQ(bind(fd, name, wanted.ipv6 ? sizeof ipv6 : sizeof ipv4), 0) << wanted.address << std::strerror(errno);
    if (wanted.tcp) {
      EXPECT_EQ(listen(fd, 4), 0);
    }
    fds_.push_back(fd);
    return fd;
  }

  // From a new socket to where `to` is bound; the server's side, if it is TCP, comes too.
  int connect_to(int to, const char* from, bool tcp) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    getsockname(to, reinterpret_cast<sockaddr*>(&name), &size);
    const bool ipv6 = name.ss_family == AF_INET6;
    const int fd = socket(ipv6 ? AF_INET6 : AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    fds_.push_back(fd);
    if (from != nullptr) {
      sockaddr_in ipv4{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};
      inet_pton(AF_INET, from, &ipv4.sin_addr);
      EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&ipv4), sizeof ipv4), 0);
    }
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&name), size), 0) << std::strerror(errno);
    if (tcp) fds_.push_back(accept4(to, nullptr, nullptr, SOCK_CLOEXEC));
    return fd;
  }

  void mirror() {
    for (const int fd : fds_) {
      int domain = 0, protocol = 0, only = 0, state = Socket::kClose;
      socklen_t size = sizeof domain;
      getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
      getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
      if (domain == AF_INET6) getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size);
      const End local = end_of(fd, getsockname), remote = end_of(fd, getpeername);
      tcp_info info{};
      size = sizeof info;
      if (protocol == IPPROTO_TCP) {
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
        state = info.tcpi_state;
      } else if (remote.port != 0) {
        state = Socket::kEstablished;
      }
      auto ours = std::make_shared<Socket>(
          exec::SocketAddresses{domain == AF_INET6, local.address, remote.address, local.port, remote.port},
          static_cast<std::uint8_t>(protocol), static_cast<std::uint8_t>(state));
      ours->ipv6_only = only != 0;
      environment.sockets.add(std::move(ours));
    }
  }

  exec::Environment environment;

 private:
  std::vector<int> fds_;
};

struct Tuple {
  bool ipv6 = false;
  End from, to;
};

std::string store_word(int offset, const void* bytes) {
  std::int32_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return fmt::format("*(u32 *)(r10 {}) = {}\n", offset, word);
}

std::string store_tuple(const Tuple& tuple) {
  Bytes bytes(36);
  const std::size_t size = tuple.ipv6 ? 16 : 4;
  std::memcpy(bytes.data(), tuple.from.address.data(), size);
  std::memcpy(bytes.data() + size, tuple.to.address.data(), size);
  std::memcpy(bytes.data() + 2 * size, &tuple.from.port, 2);
  std::memcpy(bytes.data() + 2 * size + 2, &tuple.to.port, 2);
  std::string out;
  for (int at = 0; at < 36; at += 4) out += store_word(at - 40, bytes.data() + at);
  return out;
}

// Mixes what the found socket says of itself.
std::string lookup_program(const Tuple& tuple, const std::string& helper, int size, const std::string& netns,
                           int flags) {
  const bool common = helper == "skc_lookup_tcp";
  std::string look;
  for (const char* field : {"u32 *)(r6 +44)", "u16 *)(r6 +48)", "u32 *)(r6 +72)", "u32 *)(r6 +4)"}) {
    look += fmt::format("r1 = *({}\nr7 *= 31\nr7 += r1\n", field);
  }
  if (!common) look += "r1 = *(u32 *)(r6 +8)\nr7 *= 31\nr7 += r1\nr1 = *(u32 *)(r6 +12)\nr7 *= 31\nr7 += r1\n";
  return store_tuple(tuple) +
         fmt::format(
             "r2 = r10\nr2 += -40\nr3 = {}\nr4 = {} ll\nr5 = {}\ncall bpf_{}\nif r0 == 0 goto none\n"
             "r6 = r0\nr7 = 7\n{}r1 = r6\ncall bpf_sk_release\nr0 = r7\nexit\nnone:\nr0 = 1\nexit",
             size, netns, flags, helper, look);
}

class Lookups : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = no_kernel(); !reason.empty()) GTEST_SKIP() << reason;
  }
  bool agree(const std::string& text) {
    const auto theirs = run_in_kernel(text, Bytes(60));
    EXPECT_EQ(run_here(text, Bytes(60), {.environment = &sockets.environment}), theirs) << text;
    return theirs.returned != 1;
  }
  Sockets sockets;
};

TEST_F(Lookups, TheSameSocketsAreFound) {
  const int listener = sockets.bind_one({false, true, "127.0.0.1"});
  const int any = sockets.bind_one({false, true, "0.0.0.0"});
  const int both = sockets.bind_one({true, true, "::"});
  sockets.bind_one({true, true, "::", true});
  sockets.bind_one({true, true, "::1"});
  sockets.bind_one({false, true, "127.0.0.2"}, end_of(any, getsockname).port);
  sockets.connect_to(listener, nullptr, true);
  sockets.connect_to(any, "127.0.0.5", true);
  sockets.connect_to(both, nullptr, true);
  const int datagrams = sockets.bind_one({false, false, "127.0.0.1"});
  sockets.bind_one({false, false, "0.0.0.0"}, end_of(datagrams, getsockname).port);
  sockets.bind_one({true, false, "::"});
  sockets.bind_one({true, false, "::", true});
  sockets.connect_to(datagrams, nullptr, false);
  sockets.mirror();

  std::vector<End> ends;
  for (const auto& socket : sockets.environment.sockets.all()) {
    ends.push_back({socket->addresses().local, socket->addresses().local_port});
    ends.push_back({socket->addresses().remote, socket->addresses().remote_port});
  }
  const std::vector<const char*> ipv4 = {"127.0.0.1", "127.0.0.2", "127.0.0.5", "10.1.2.3", "0.0.0.0"};
  const std::vector<const char*> ipv6 = {"::1", "::ffff:127.0.0.1", "fe80::1", "::"};
  std::mt19937 random(5);
  const auto any_end = [&](bool is_ipv6) {
    End end = ends[random() % ends.size()];
    const auto& pool = is_ipv6 ? ipv6 : ipv4;
    if (random() % 2 == 0) inet_pton(is_ipv6 ? AF_INET6 : AF_INET, pool[random() % pool.size()], end.address.data());
    return end;
  };
  int found = 0;
  const auto all = sockets.environment.sockets.all();
  for (int round = 0; round < 500 && !HasFailure(); ++round) {
    Tuple tuple{.ipv6 = random() % 3 == 0};
    tuple.from = any_end(tuple.ipv6);
    tuple.to = any_end(tuple.ipv6);
    if (round % 2 == 0) {  // exactly a socket's ends
      const exec::SocketAddresses& exact = all[random() % all.size()]->addresses();
      tuple = {exact.ipv6, {exact.remote, exact.remote_port}, {exact.local, exact.local_port}};
    }
    for (const char* helper : {"sk_lookup_tcp", "sk_lookup_udp", "skc_lookup_tcp"}) {
      found += agree(lookup_program(tuple, helper, tuple.ipv6 ? 36 : 12, "-1", 0)) ? 1 : 0;
    }
  }
  EXPECT_GT(found, 200);
}

TEST_F(Lookups, SizesNamespacesAndFlagsAreJudgedAlike) {
  const int listener = sockets.bind_one({false, true, "127.0.0.1"});
  sockets.mirror();
  const Tuple tuple{.to = end_of(listener, getsockname)};
  int found = 0;
  for (const int size : {1, 8, 11, 12, 13, 35, 36}) {
    for (const char* netns : {"-1", "0", "1", "0x7fffffff", "0x80000000", "0xffffffff", "0x100000000", "0x1ffffffff"}) {
      for (const int flags : {0, 1}) found += agree(lookup_program(tuple, "sk_lookup_tcp", size, netns, flags)) ? 1 : 0;
    }
  }
  EXPECT_GT(found, 2);
}

}  // namespace
}  // namespace forager::helpers
