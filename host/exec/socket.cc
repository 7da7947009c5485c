// SPDX-License-Identifier: Apache-2.0
#include "exec/socket.h"

#include <linux/bpf.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

namespace forager::exec {
namespace {

std::uint64_t next_cookie() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

constexpr std::uint16_t host_order(std::uint16_t network) { return std::byteswap(network); }

bool is_any(const Address& address) {
  return std::ranges::all_of(address, [](std::uint8_t byte) { return byte == 0; });
}

bool is_connected(const SocketAddresses& addresses) { return addresses.remote_port != 0; }

// How well a socket fits, 0 = not at all (inet_ehashfn and compute_score of net/ipv4/inet_hashtables.c).
unsigned score(const Socket& socket, const SocketQuery& query) {
  const SocketAddresses& own = socket.addresses();
  const SocketAddresses& asked = query.addresses;
  if (socket.protocol() != query.protocol || own.ipv6 != asked.ipv6 || own.local_port != asked.local_port) return 0;
  const bool any = is_any(own.local);
  if (!any && own.local != asked.local) return 0;
  if (!is_connected(own)) return any ? 1 : 2;
  return !any && own.remote == asked.remote && own.remote_port == asked.remote_port ? 3 : 0;
}

}  // namespace

Socket::Socket(const SocketAddresses& addresses, std::uint8_t protocol, std::uint8_t state)
    : addresses_(addresses), protocol_(protocol), state_(state) {
  static_assert(sizeof(bpf_sock) == kViewBytes);
  bpf_sock seen{};
  seen.family = addresses.ipv6 ? AF_INET6 : AF_INET;
  seen.type = protocol == 6 ? SOCK_STREAM : SOCK_DGRAM;
  seen.protocol = protocol;
  std::memcpy(addresses.ipv6 ? seen.src_ip6 : &seen.src_ip4, addresses.local.data(), addresses.ipv6 ? 16 : 4);
  std::memcpy(addresses.ipv6 ? seen.dst_ip6 : &seen.dst_ip4, addresses.remote.data(), addresses.ipv6 ? 16 : 4);
  seen.src_port = host_order(addresses.local_port);
  seen.dst_port = addresses.remote_port;
  seen.state = state;
  seen.rx_queue_mapping = -1;
  std::memcpy(view.data(), &seen, sizeof seen);
}

void SocketDirectory::add(std::shared_ptr<Socket> socket) {
  const std::lock_guard guard(mutex_);
  if (socket->cookie == 0) socket->cookie = next_cookie();
  sockets_.push_back(std::move(socket));
}

void SocketDirectory::remove(const Socket& socket) {
  const std::lock_guard guard(mutex_);
  std::erase_if(sockets_, [&](const auto& held) { return held.get() == &socket; });
}

std::shared_ptr<Socket> SocketDirectory::find(const SocketQuery& query) const {
  const std::lock_guard guard(mutex_);
  std::shared_ptr<Socket> best;
  unsigned most = 0;
  for (const auto& socket : sockets_) {
    if (const unsigned fit = score(*socket, query); fit > most) {
      most = fit;
      best = socket;
    }
  }
  return best;
}

std::vector<std::shared_ptr<Socket>> SocketDirectory::all() const {
  const std::lock_guard guard(mutex_);
  return sockets_;
}

}  // namespace forager::exec
