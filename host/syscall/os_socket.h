// SPDX-License-Identifier: Apache-2.0
//
// Sockets of this process as objects of the runtime: what a descriptor becomes that is put into a SOCKMAP, or that has
// storage. One socket is one object, by the kernel's own cookie for it, and stands in the runtime's directory from then
// on. Its addresses and state are those of the moment it came in.
//
// A socket that is closed is noticed when the next one comes in: nobody tells us before.
//
// Tested by: tests/unit/syscall_sockets_test.cc.
#pragma once

#include <memory>

#include "exec/socket.h"
#include "syscall/commands.h"

namespace forager::syscall {

// What a socket is, by getsockopt(2).
struct SocketKind {
  int domain = 0;    // AF_*
  int type = 0;      // SOCK_*
  int protocol = 0;  // IPPROTO_*
  int state = 0;     // include/net/tcp_states.h
};

// -EBADF, -ENOTSOCK.
[[nodiscard]] Errno<SocketKind> socket_kind(int fd);
[[nodiscard]] Errno<std::shared_ptr<exec::Socket>> adopt_socket(const Call& call, int fd);

}  // namespace forager::syscall
