// SPDX-License-Identifier: Apache-2.0
//
// Sockets as programs see them. An offload device has no sockets of its own: the runtime is given a directory of them
// (setup file, library, or descriptors of the process put into a SOCKMAP), and bpf_sk_lookup_* search it as Linux
// searches its own.
//
// What a Socket is (addresses, protocol, state) never changes; options may, by bpf_setsockopt, from any thread.
//
// Tested by: tests/unit/exec_socket_test.cc, and against the kernel by helpers_sockets_kernel_test.cc.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "exec/fib.h"

namespace forager::exec {

// What both sides of a connection are. Addresses and ports in network order; IPv4 in the first 4 bytes.
struct SocketAddresses {
  bool ipv6 = false;
  Address local{}, remote{};
  std::uint16_t local_port = 0, remote_port = 0;
};

class Socket : public std::enable_shared_from_this<Socket> {
 public:
  // Sizes of struct bpf_sock and struct bpf_tcp_sock (uapi/linux/bpf.h); loads of programs read these bytes.
  static constexpr std::size_t kViewBytes = 80, kTcpBytes = 120;
  static constexpr std::uint8_t kTcp = 6, kUdp = 17;  // IPPROTO_*

  Socket(const SocketAddresses& addresses, std::uint8_t protocol, std::uint8_t state);

  [[nodiscard]] const SocketAddresses& addresses() const { return addresses_; }
  [[nodiscard]] std::uint8_t protocol() const { return protocol_; }  // IPPROTO_*
  [[nodiscard]] std::uint8_t state() const { return state_; }  // TCP_ESTABLISHED (1) ... of include/net/tcp_states.h
  [[nodiscard]] bool listens() const { return state_ == kListen; }
  // Not merely the remains of a connection, or the request for one (sk_fullsock).
  [[nodiscard]] bool full() const { return state_ != kTimeWait && state_ != kNewSynRecv; }
  // The device it is bound to; 0 = any.
  [[nodiscard]] std::uint32_t bound_ifindex() const;

  static constexpr std::uint8_t kEstablished = 1, kTimeWait = 6, kClose = 7, kListen = 10, kNewSynRecv = 12;

  // setsockopt(2)'s own levels and names, values as getsockopt(2) gives them; nothing where none was set. The view
  // shows SO_MARK, SO_PRIORITY and SO_BINDTODEVICE's index.
  [[nodiscard]] std::optional<std::int32_t> option(int level, int name) const;
  void set_option(int level, int name, std::int32_t value);

  std::uint64_t cookie = 0;                     // bpf_get_socket_cookie; unique, never 0 in a directory
  std::uint64_t netns_cookie = 1;               // bpf_get_netns_cookie
  std::uint64_t cgroup_id = 1;                  // bpf_sk_cgroup_id
  std::vector<std::uint64_t> cgroup_ancestors;  // from the root on, itself last; empty = itself is the root
  std::uint32_t uid = 0;
  int fd = -1;                                      // of this process, where the socket is a real one; not owned
  bool ipv6_only = false;                           // IPV6_V6ONLY: an IPv6 socket that IPv4 packets do not reach
  bool reuseport = false;                           // SO_REUSEPORT: one of a group
  std::atomic<std::uint64_t> last_syncookie_ns{0};  // when it last gave one; 0 = never

  // struct bpf_sock and struct bpf_tcp_sock of it.
  alignas(8) std::array<std::byte, kViewBytes> view{};
  alignas(8) std::array<std::byte, kTcpBytes> tcp{};

 private:
  SocketAddresses addresses_;
  std::uint8_t protocol_, state_;
  mutable std::mutex mutex_;  // of options_
  std::map<std::pair<int, int>, std::int32_t> options_;
};

// A packet's view: `remote` is who sent it.
struct SocketQuery {
  SocketAddresses addresses;
  std::uint8_t protocol = Socket::kTcp;
  std::uint32_t ifindex = 0;  // where it arrived
};

// All sockets there are. Any thread may search and change it.
//
// The rules of __inet_lookup and __udp4_lib_lookup, and of their IPv6 likes: a connection before a listener, a bound
// address before any, a bound device before any; IPv4 packets reach IPv6 sockets on any address unless they are
// IPV6_V6ONLY. Of equal ones, which only SO_REUSEPORT and SO_REUSEADDR allow, the one added last (Linux takes any of a
// group, by hash).
class SocketDirectory {
 public:
  // Gives it a cookie, if it has none: above any that a kernel gives.
  void add(std::shared_ptr<Socket> socket);
  void remove(const Socket& socket);
  [[nodiscard]] std::shared_ptr<Socket> find(const SocketQuery& query) const;
  // Who would have accepted this connection (a request for one); null if nobody listens.
  [[nodiscard]] std::shared_ptr<Socket> listener_of(const Socket& connection) const;
  [[nodiscard]] std::vector<std::shared_ptr<Socket>> all() const;

  SocketDirectory() = default;
  SocketDirectory(const SocketDirectory& other);
  SocketDirectory& operator=(const SocketDirectory&) = delete;

 private:
  using Sockets = std::vector<std::shared_ptr<Socket>>;

  mutable std::shared_mutex mutex_;
  Sockets sockets_;
  std::unordered_map<std::uint32_t, Sockets> by_port_;  // by protocol and local port
};

}  // namespace forager::exec
