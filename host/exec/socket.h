// SPDX-License-Identifier: Apache-2.0
//
// Sockets as programs see them. An offload device has no sockets of its own: the runtime is given a directory of them
// (setup file, library, or descriptors of the process put into a SOCKMAP), and bpf_sk_lookup_* search it by the rules
// of __inet_lookup_skb: a connected socket before a listening one, a bound address before any.
//
// Tested by: tests/unit/exec_socket_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "exec/fib.h"

namespace forager::exec {

// What both sides of a connection are. Addresses and ports in network order; IPv4 in the first 4 bytes.
struct SocketAddresses {
  bool ipv6 = false;
  Address local{}, remote{};
  std::uint16_t local_port = 0, remote_port = 0;
};

class Socket {
 public:
  // Sizes of struct bpf_sock and struct bpf_tcp_sock (uapi/linux/bpf.h); loads of programs read these bytes.
  static constexpr std::size_t kViewBytes = 80, kTcpBytes = 120;

  Socket(const SocketAddresses& addresses, std::uint8_t protocol, std::uint8_t state);

  [[nodiscard]] const SocketAddresses& addresses() const { return addresses_; }
  [[nodiscard]] std::uint8_t protocol() const { return protocol_; }  // IPPROTO_*
  [[nodiscard]] std::uint8_t state() const { return state_; }  // TCP_ESTABLISHED (1) ... of include/net/tcp_states.h
  [[nodiscard]] bool listens() const { return state_ == kListen; }

  static constexpr std::uint8_t kEstablished = 1, kClose = 7, kListen = 10, kNewSynRecv = 12;

  std::uint64_t cookie = 0;        // bpf_get_socket_cookie; unique, from 1
  std::uint64_t netns_cookie = 1;  // bpf_get_netns_cookie
  std::uint64_t cgroup_id = 1;     // bpf_sk_cgroup_id
  std::uint32_t uid = 0;
  int fd = -1;  // of this process, where the socket is a real one; not owned

  // struct bpf_sock and struct bpf_tcp_sock of it.
  std::array<std::byte, kViewBytes> view{};
  std::array<std::byte, kTcpBytes> tcp{};

 private:
  SocketAddresses addresses_;
  std::uint8_t protocol_, state_;
};

// A packet's view: `remote` is who sent it.
struct SocketQuery {
  SocketAddresses addresses;
  std::uint8_t protocol = 6;
  std::uint32_t ifindex = 0;  // where it arrived; 0 = any
};

class SocketDirectory {
 public:
  // Gives it a cookie, if it has none.
  void add(std::shared_ptr<Socket> socket);
  void remove(const Socket& socket);
  [[nodiscard]] std::shared_ptr<Socket> find(const SocketQuery& query) const;
  [[nodiscard]] std::vector<std::shared_ptr<Socket>> all() const;

  SocketDirectory() = default;
  SocketDirectory(const SocketDirectory& other) : sockets_(other.all()) {}
  SocketDirectory& operator=(const SocketDirectory&) = delete;

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Socket>> sockets_;
};

}  // namespace forager::exec
