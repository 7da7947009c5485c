// SPDX-License-Identifier: Apache-2.0
#include "syscall/element_sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "syscall/os_socket.h"

namespace forager::syscall {
namespace {

using runtime::MapObject;

// The descriptor in a value of 4 bytes, or of 8 whose upper ones must be zero.
Errno<int> descriptor_in(const MapObject& map, const std::byte* value, std::uint64_t most) {
  std::uint64_t number = 0;
  std::memcpy(&number, value, map.spec().value_size);
  if (number > most && map.spec().value_size == sizeof number) return std::unexpected(-EINVAL);
  return static_cast<int>(number);
}

// sock_map_sk_is_suitable and sock_map_sk_state_allowed.
bool may_be_redirected_to(const SocketKind& kind) {
  const bool established = kind.state == TCP_ESTABLISHED;
  if (kind.domain == AF_UNIX) return kind.type == SOCK_DGRAM || (kind.type == SOCK_STREAM && established);
  if (kind.domain == AF_VSOCK) return established;
  if (kind.domain != AF_INET && kind.domain != AF_INET6) return false;
  return kind.protocol == IPPROTO_TCP ? established || kind.state == TCP_LISTEN : kind.protocol == IPPROTO_UDP;
}

// reuseport_array_update_check.
long check_reuseport(int fd, const SocketKind& kind) {
  const bool inet = kind.domain == AF_INET || kind.domain == AF_INET6;
  const bool known = kind.protocol == IPPROTO_TCP || kind.protocol == IPPROTO_UDP;
  if (!inet || !known) return -kNotSupported;
  int reuse = 0;
  socklen_t size = sizeof reuse;
  sockaddr_in6 bound{};
  socklen_t bound_size = sizeof bound;
  const bool shares = getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuse, &size) == 0 && reuse != 0;
  const bool has_port = getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &bound_size) == 0 && bound.sin6_port != 0;
  const bool reachable = kind.protocol == IPPROTO_UDP || kind.state == TCP_LISTEN;
  return shares && has_port && reachable ? 0 : -EINVAL;
}

// Maps without contents (runtime::Settings::verify_only) have no abilities.
long put_socket(const Call& call, MapObject& map, const std::byte* key, int fd, std::uint64_t flags) {
  if (map.map->abilities().sockets == nullptr) return -kNotSupported;
  auto socket = adopt_socket(call, fd);
  return socket ? map.map->abilities().sockets->set(key, std::move(*socket), flags) : socket.error();
}

Errno<exec::StorageOwner> owner(const Call& call, const MapObject& map, const std::byte* key) {
  if (map.map->abilities().storage == nullptr) return std::unexpected(-kNotSupported);
  int fd = -1;
  std::memcpy(&fd, key, sizeof fd);
  const auto socket = adopt_socket(call, fd);
  if (!socket) return std::unexpected(socket.error());
  return exec::StorageOwner{(*socket)->cookie, *socket};
}

}  // namespace

long read_socket(const Call& call, MapObject& map, const std::byte* key, std::byte* value, std::uint64_t) {
  if (map.spec().value_size != sizeof(std::uint64_t)) return -ENOSPC;
  const exec::SocketTable* table = map.map->abilities().sockets;
  if (table == nullptr) return -ENOENT;
  auto socket = table->get(key);
  if (socket != nullptr && !has_descriptor(*socket)) {
    socket = nullptr;
    call.fds().sweep();
    socket = table->get(key);
  }
  if (socket == nullptr) return -ENOENT;
  std::memcpy(value, &socket->cookie, sizeof socket->cookie);
  return 0;
}

long write_socket(const Call& call, MapObject& map, const std::byte* key, const std::byte* value, std::uint64_t flags) {
  const auto fd = descriptor_in(map, value, UINT32_MAX);
  if (!fd) return fd.error();
  const auto kind = socket_kind(*fd);
  if (!kind) return kind.error();
  return may_be_redirected_to(*kind) ? put_socket(call, map, key, *fd, flags) : -EOPNOTSUPP;
}

long write_reuseport(const Call& call, MapObject& map, const std::byte* key, const std::byte* value,
                     std::uint64_t flags) {
  std::uint32_t index = 0;
  std::memcpy(&index, key, sizeof index);
  if (flags > BPF_EXIST) return -EINVAL;
  if (index >= map.spec().max_entries) return -E2BIG;
  const auto fd = descriptor_in(map, value, INT_MAX);
  if (!fd) return fd.error();
  const auto kind = socket_kind(*fd);
  if (!kind) return kind.error();
  const long error = check_reuseport(*fd, *kind);
  return error != 0 ? error : put_socket(call, map, key, *fd, flags);
}

// A value is read and written in place, as in Linux.
long read_socket_storage(const Call& call, MapObject& map, const std::byte* key, std::byte* value, std::uint64_t) {
  const auto socket = owner(call, map, key);
  if (!socket) return socket.error();
  const void* stored = map.map->abilities().storage->get(*socket, nullptr, 0);
  if (stored == nullptr) return -ENOENT;
  std::memcpy(value, stored, map.spec().value_size);
  return 0;
}

long write_socket_storage(const Call& call, MapObject& map, const std::byte* key, const std::byte* value,
                          std::uint64_t flags) {
  const std::uint64_t presence = flags & ~std::uint64_t{BPF_F_LOCK};
  if (presence > BPF_EXIST) return -EINVAL;
  const auto socket = owner(call, map, key);
  if (!socket) return socket.error();
  exec::LocalStorage& storage = *map.map->abilities().storage;
  void* stored = storage.get(*socket, nullptr, 0);
  if (stored != nullptr && presence == BPF_NOEXIST) return -EEXIST;
  if (stored == nullptr && presence == BPF_EXIST) return -ENOENT;
  if (stored == nullptr) return storage.get(*socket, value, BPF_LOCAL_STORAGE_GET_F_CREATE) != nullptr ? 0 : -ENOMEM;
  std::memcpy(stored, value, map.spec().value_size);
  return 0;
}

long erase_socket_storage(const Call& call, MapObject& map, const std::byte* key) {
  const auto socket = owner(call, map, key);
  return socket ? map.map->abilities().storage->erase(*socket) : socket.error();
}

}  // namespace forager::syscall
