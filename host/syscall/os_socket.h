// SPDX-License-Identifier: Apache-2.0
//
// Sockets of this process as objects of the runtime: what a descriptor becomes that is put into a SOCKMAP, or that has
// storage. One socket is one object, by the kernel's own cookie for it, and stands in the runtime's directory from then
// on. Its addresses and state are those of the moment it came in.
//
// With the last descriptor of it in this process, a socket leaves the directory and all maps, as FdTable lets go of any
// object. (A process that inherited it may keep the real one open.) Where a close() did not come through FdTable, that
// is at the next sweep(), or when bpf(2) finds it in a map.
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

class AdoptedSocket {
 public:
  AdoptedSocket(runtime::Runtime& runtime, std::shared_ptr<exec::Socket> socket);
  ~AdoptedSocket();
  AdoptedSocket(const AdoptedSocket&) = delete;
  AdoptedSocket& operator=(const AdoptedSocket&) = delete;

  [[nodiscard]] const std::shared_ptr<exec::Socket>& socket() const { return socket_; }

 private:
  runtime::Runtime& runtime_;
  std::shared_ptr<exec::Socket> socket_;
};

// Whether the descriptor that it was adopted by is still its own; true of sockets that are not this process's.
[[nodiscard]] bool has_descriptor(const exec::Socket& socket);

// -EBADF, -ENOTSOCK.
[[nodiscard]] Errno<SocketKind> socket_kind(int fd);
[[nodiscard]] Errno<std::shared_ptr<exec::Socket>> adopt_socket(const Call& call, int fd);

}  // namespace forager::syscall
