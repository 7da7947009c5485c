// SPDX-License-Identifier: Apache-2.0
//
// What SOCKMAP, SOCKHASH and REUSEPORT_SOCKARRAY share (net/core/sock_map.c, kernel/bpf/reuseport_array.c). The host
// writes a socket's fd and reads its cookie, if values have the 8 bytes of one. An fd means nothing here, so bpf(2)
// resolves it, judges whether the socket may stand in a map of this type, and calls SocketTable::set; write() knows no
// socket and answers EBADF.
//
// A socket that is closed leaves its maps, as in Linux: whoever knows that it is calls SocketHolder::forget().
//
// Tested by: tests/unit/maps_sockets_test.cc.
#pragma once

#include <cerrno>
#include <cstring>
#include <memory>

#include "exec/map.h"
#include "exec/socket.h"
#include "maps/attributes.h"

namespace forager::maps {

using SocketRef = std::shared_ptr<exec::Socket>;

class SocketHolder {
 public:
  virtual ~SocketHolder() = default;
  // Takes the socket out of all its places. Looks at every entry.
  virtual void forget(const exec::Socket& socket) = 0;
};
// Null for maps that hold no sockets.
[[nodiscard]] inline SocketHolder* socket_holder(exec::Map& map) { return dynamic_cast<SocketHolder*>(&map); }

[[nodiscard]] inline int read_cookie(const exec::MapSpec& spec, const SocketRef& socket, void* value,
                                     std::uint64_t flags) {
  if (flags != 0) return -EINVAL;
  if (spec.value_size != sizeof socket->cookie) return -ENOSPC;
  if (socket == nullptr) return -ENOENT;
  std::memcpy(value, &socket->cookie, sizeof socket->cookie);
  return 0;
}

[[nodiscard]] inline Checks check_sockets(const exec::MapSpec& spec) {
  return Checks(spec).require(spec.value_size == 4 || spec.value_size == 8, "value_size must be 4 or 8 (a cookie)");
}

}  // namespace forager::maps
