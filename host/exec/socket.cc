// SPDX-License-Identifier: Apache-2.0
#include "exec/socket.h"

#include <linux/bpf.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <ranges>

namespace forager::exec {
namespace {

// Kernels count theirs from 1, so that no socket of the process has one of these.
std::uint64_t next_cookie() {
  constexpr std::uint64_t kFirst = 1ULL << 48;
  static std::atomic<std::uint64_t> next{kFirst};
  return next.fetch_add(1, std::memory_order_relaxed);
}

constexpr std::uint16_t host_order(std::uint16_t network) { return std::byteswap(network); }

bool is_any(const Address& address) {
  return std::ranges::all_of(address, [](std::uint8_t byte) { return byte == 0; });
}

// An IPv6 address that stands for an IPv4 one (::ffff:a.b.c.d), or for all of them (::).
std::optional<Address> as_ipv4(const Address& address) {
  constexpr Address kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (is_any(address)) return Address{};
  if (!std::equal(kMapped.begin(), kMapped.begin() + 12, address.begin())) return std::nullopt;
  Address out{};
  std::copy(address.begin() + 12, address.end(), out.begin());
  return out;
}

// The socket's addresses in the packet's family; nothing if such packets do not reach it.
std::optional<SocketAddresses> in_family(const Socket& socket, bool ipv6) {
  SocketAddresses own = socket.addresses();
  if (own.ipv6 == ipv6) return own;
  const auto local = as_ipv4(own.local), remote = as_ipv4(own.remote);
  if (ipv6 || socket.ipv6_only || !local || !remote) return std::nullopt;
  own.local = *local;
  own.remote = *remote;
  return own;
}

// How well a socket fits, 0 = not at all. The rungs are far enough apart that details never outweigh them.
class Score {
 public:
  Score(const Socket& socket, const SocketQuery& query) : socket_(socket), query_(query), asked_(query.addresses) {}

  [[nodiscard]] unsigned value() const {
    const auto own = in_family(socket_, asked_.ipv6);
    const std::uint32_t device = socket_.bound_ifindex();
    if (!own || own->local_port != asked_.local_port || (device != 0 && device != query_.ifindex)) return 0;
    const unsigned details = 1 + detail() * ((device != 0 ? 1U : 0U)) + (native_ipv4() ? 1U : 0U);
    return socket_.protocol() == Socket::kTcp ? tcp(*own, details) : datagram(*own, details);
  }

 private:
  static constexpr unsigned kBound = 100, kConnected = 1000;

  [[nodiscard]] unsigned detail() const { return socket_.protocol() == Socket::kTcp ? 1 : 4; }
  [[nodiscard]] bool native_ipv4() const { return !socket_.addresses().ipv6; }

  [[nodiscard]] unsigned tcp(const SocketAddresses& own, unsigned details) const {
    if (socket_.listens()) return is_any(own.local) ? details : own.local == asked_.local ? kBound + details : 0;
    const bool same = own.local == asked_.local && own.remote == asked_.remote && own.remote_port == asked_.remote_port;
    return same && socket_.state() != Socket::kClose ? kConnected + details : 0;
  }

  [[nodiscard]] unsigned datagram(const SocketAddresses& own, unsigned details) const {
    const bool any = is_any(own.local);
    if (!any && own.local != asked_.local) return 0;
    if (!is_any(own.remote)) {
      if (own.remote != asked_.remote) return 0;
      details += detail();
    }
    if (own.remote_port != 0) {
      if (own.remote_port != asked_.remote_port) return 0;
      details += detail();
    }
    return details + (any ? 0 : kBound);
  }

  const Socket& socket_;
  const SocketQuery& query_;
  const SocketAddresses& asked_;
};

std::uint32_t port_key(std::uint8_t protocol, std::uint16_t port) { return std::uint32_t{protocol} << 16 | port; }
std::uint32_t port_key(const Socket& socket) { return port_key(socket.protocol(), socket.addresses().local_port); }

// A field of struct bpf_sock, which programs may be reading.
void store(std::byte* at, std::uint32_t value) {
  __atomic_store_n(reinterpret_cast<std::uint32_t*>(at), value, __ATOMIC_RELAXED);
}

}  // namespace

Socket::Socket(const SocketAddresses& addresses, std::uint8_t protocol, std::uint8_t state)
    : addresses_(addresses), protocol_(protocol), state_(state) {
  static_assert(sizeof(bpf_sock) == kViewBytes);
  bpf_sock seen{};
  seen.family = addresses.ipv6 ? AF_INET6 : AF_INET;
  seen.type = protocol == kTcp ? SOCK_STREAM : SOCK_DGRAM;
  seen.protocol = protocol;
  std::memcpy(addresses.ipv6 ? seen.src_ip6 : &seen.src_ip4, addresses.local.data(), addresses.ipv6 ? 16 : 4);
  std::memcpy(addresses.ipv6 ? seen.dst_ip6 : &seen.dst_ip4, addresses.remote.data(), addresses.ipv6 ? 16 : 4);
  seen.src_port = host_order(addresses.local_port);
  seen.dst_port = addresses.remote_port;
  seen.state = state;
  seen.rx_queue_mapping = -1;
  std::memcpy(view.data(), &seen, sizeof seen);
}

std::uint32_t Socket::bound_ifindex() const {
  return __atomic_load_n(reinterpret_cast<const std::uint32_t*>(view.data() + offsetof(bpf_sock, bound_dev_if)),
                         __ATOMIC_RELAXED);
}

std::optional<std::int32_t> Socket::option(int level, int name) const {
  const std::lock_guard guard(mutex_);
  const auto found = options_.find({level, name});
  return found == options_.end() ? std::nullopt : std::optional(found->second);
}

void Socket::set_option(int level, int name, std::int32_t value) {
  const std::lock_guard guard(mutex_);
  options_.insert_or_assign({level, name}, value);
  if (level != SOL_SOCKET) return;
  const auto shown = static_cast<std::uint32_t>(value);
  if (name == SO_MARK) store(view.data() + offsetof(bpf_sock, mark), shown);
  if (name == SO_PRIORITY) store(view.data() + offsetof(bpf_sock, priority), shown);
  if (name == SO_BINDTOIFINDEX) store(view.data() + offsetof(bpf_sock, bound_dev_if), shown);
}

SocketDirectory::SocketDirectory(const SocketDirectory& other) {
  for (auto& socket : other.all()) add(std::move(socket));
}

void SocketDirectory::add(std::shared_ptr<Socket> socket) {
  const std::lock_guard guard(mutex_);
  if (socket->cookie == 0) socket->cookie = next_cookie();
  by_port_[port_key(*socket)].push_back(socket);
  sockets_.push_back(std::move(socket));
}

void SocketDirectory::remove(const Socket& socket) {
  const auto is_it = [&](const auto& held) { return held.get() == &socket; };
  const std::lock_guard guard(mutex_);
  if (const auto port = by_port_.find(port_key(socket)); port != by_port_.end()) {
    std::erase_if(port->second, is_it);
    if (port->second.empty()) by_port_.erase(port);
  }
  std::erase_if(sockets_, is_it);
}

std::shared_ptr<Socket> SocketDirectory::find(const SocketQuery& query) const {
  const std::shared_lock guard(mutex_);
  const auto port = by_port_.find(port_key(query.protocol, query.addresses.local_port));
  if (port == by_port_.end()) return nullptr;
  const std::shared_ptr<Socket>* best = nullptr;
  unsigned most = 0;
  for (const auto& socket : port->second | std::views::reverse) {
    if (const unsigned fit = Score(*socket, query).value(); fit > most) {
      most = fit;
      best = &socket;
    }
  }
  return best == nullptr ? nullptr : *best;
}

std::shared_ptr<Socket> SocketDirectory::listener_of(const Socket& connection) const {
  SocketQuery query{.addresses = connection.addresses(), .protocol = connection.protocol()};
  query.addresses.remote = {};
  query.addresses.remote_port = 0;
  query.ifindex = connection.bound_ifindex();
  const auto found = find(query);
  return found != nullptr && found->listens() ? found : nullptr;
}

std::vector<std::shared_ptr<Socket>> SocketDirectory::all() const {
  const std::shared_lock guard(mutex_);
  return sockets_;
}

}  // namespace forager::exec
