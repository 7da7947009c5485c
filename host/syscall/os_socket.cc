// SPDX-License-Identifier: Apache-2.0
#include "syscall/os_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "maps/socket_slots.h"

namespace forager::syscall {
namespace {

template <class T>
long get_option(int fd, int level, int name, T& value) {
  socklen_t size = sizeof value;
  return getsockopt(fd, level, name, &value, &size) == 0 ? 0 : -errno;
}

// 0 if there is none: the kernel's cookies start at 1.
std::uint64_t cookie_of(int fd) {
  std::uint64_t cookie = 0;
  return get_option(fd, SOL_SOCKET, SO_COOKIE, cookie) == 0 ? cookie : 0;
}

struct Endpoint {
  exec::Address address{};
  std::uint16_t port = 0;
};

// Zeros for what has no address (yet), or one of another family.
Endpoint endpoint(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  Endpoint out;
  if (ask(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return out;
  if (name.ss_family == AF_INET) {
    const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(name);
    std::memcpy(out.address.data(), &ipv4.sin_addr, sizeof ipv4.sin_addr);
    out.port = ipv4.sin_port;
  } else if (name.ss_family == AF_INET6) {
    const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(name);
    std::memcpy(out.address.data(), &ipv6.sin6_addr, sizeof ipv6.sin6_addr);
    out.port = ipv6.sin6_port;
  }
  return out;
}

// TCP says it; of others all that can be told is whether they are connected.
int state_of(int fd, int protocol) {
  tcp_info info{};
  if (protocol == IPPROTO_TCP && get_option(fd, IPPROTO_TCP, TCP_INFO, info) == 0) return info.tcpi_state;
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  return getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 ? TCP_ESTABLISHED : TCP_CLOSE;
}

std::shared_ptr<exec::Socket> make_socket(int fd, const SocketKind& kind, std::uint64_t cookie) {
  const Endpoint local = endpoint(fd, getsockname), remote = endpoint(fd, getpeername);
  const exec::SocketAddresses addresses = {.ipv6 = kind.domain == AF_INET6,
                                           .local = local.address,
                                           .remote = remote.address,
                                           .local_port = local.port,
                                           .remote_port = remote.port};
  auto socket = std::make_shared<exec::Socket>(addresses, static_cast<std::uint8_t>(kind.protocol),
                                               static_cast<std::uint8_t>(kind.state));
  socket->cookie = cookie;
  socket->fd = fd;
  return socket;
}

}  // namespace

AdoptedSocket::AdoptedSocket(runtime::Runtime& runtime, std::shared_ptr<exec::Socket> socket)
    : runtime_(runtime), socket_(std::move(socket)) {
  runtime_.environment.sockets.add(socket_);
}

AdoptedSocket::~AdoptedSocket() {
  runtime_.environment.sockets.remove(*socket_);
  for (auto id = runtime_.maps().next(0); id; id = runtime_.maps().next(*id)) {
    const auto map = runtime_.maps().find(*id);
    if (maps::SocketHolder* holder = map ? maps::socket_holder(*map->map) : nullptr) holder->forget(*socket_);
  }
}

bool has_descriptor(const exec::Socket& socket) { return socket.fd < 0 || cookie_of(socket.fd) == socket.cookie; }

Errno<SocketKind> socket_kind(int fd) {
  SocketKind kind;
  const int saved = errno;
  const long error = get_option(fd, SOL_SOCKET, SO_DOMAIN, kind.domain);
  if (error == 0) {
    (void)get_option(fd, SOL_SOCKET, SO_TYPE, kind.type);
    (void)get_option(fd, SOL_SOCKET, SO_PROTOCOL, kind.protocol);
    kind.state = state_of(fd, kind.protocol);
  }
  errno = saved;
  if (error != 0) return std::unexpected(error);
  return kind;
}

Errno<std::shared_ptr<exec::Socket>> adopt_socket(const Call& call, int fd) {
  static std::mutex one_at_a_time;
  const auto kind = socket_kind(fd);
  if (!kind) return std::unexpected(kind.error());
  const std::uint64_t cookie = cookie_of(fd);
  const std::lock_guard guard(one_at_a_time);
  const auto known = call.fds().find<AdoptedSocket>(fd);
  if (known && (*known)->socket()->cookie == cookie) return (*known)->socket();
  auto socket = make_socket(fd, *kind, cookie);
  call.fds().adopt(fd, std::make_shared<AdoptedSocket>(call.runtime(), socket));
  return socket;
}

}  // namespace forager::syscall
