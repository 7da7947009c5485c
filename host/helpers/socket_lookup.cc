// SPDX-License-Identifier: Apache-2.0
//
// Finding sockets, and what a found one is (net/core/filter.c bpf_sk_lookup_* and what follows them). The sockets are
// those of the environment's directory. There is one network namespace, the program's own, and it has no number: a
// lookup in any other finds nothing.
#include <linux/bpf.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "helpers/functions.h"
#include "program/program.h"

namespace forager::helpers {
namespace {

using exec::Socket;
using SocketRef = std::shared_ptr<Socket>;

// Where the packet arrived. The contexts of packets say it; of all others it is nowhere.
std::uint32_t arrival(const RunContext& run) {
  const isa::ProgType type = run.program->program().type();
  std::size_t offset = offsetof(__sk_buff, ifindex);
  if (type == isa::ProgType::xdp) offset = offsetof(xdp_md, ingress_ifindex);
  if (type == isa::ProgType::cgroup_sock_addr) return 0;
  std::uint32_t ifindex = 0;
  std::memcpy(&ifindex, run.frame->context.data() + offset, sizeof ifindex);
  return ifindex;
}

// The tuple names the packet's two ends: its source is the socket's remote side.
exec::SocketAddresses addresses_of(const bpf_sock_tuple& tuple, bool ipv6) {
  exec::SocketAddresses out{.ipv6 = ipv6};
  if (ipv6) {
    std::memcpy(out.remote.data(), tuple.ipv6.saddr, sizeof tuple.ipv6.saddr);
    std::memcpy(out.local.data(), tuple.ipv6.daddr, sizeof tuple.ipv6.daddr);
    out.remote_port = tuple.ipv6.sport;
    out.local_port = tuple.ipv6.dport;
  } else {
    std::memcpy(out.remote.data(), &tuple.ipv4.saddr, sizeof tuple.ipv4.saddr);
    std::memcpy(out.local.data(), &tuple.ipv4.daddr, sizeof tuple.ipv4.daddr);
    out.remote_port = tuple.ipv4.sport;
    out.local_port = tuple.ipv4.dport;
  }
  return out;
}

struct Lookup {
  std::uint8_t protocol;
  u64 tuple, size, netns, flags;
};

SocketRef find(const RunContext& run, const Lookup& lookup) {
  bpf_sock_tuple tuple{};
  const auto size = static_cast<std::uint32_t>(lookup.size);
  const bool own_netns = static_cast<std::int32_t>(lookup.netns) < 0;
  if ((size != sizeof tuple.ipv4 && size != sizeof tuple.ipv6) || lookup.flags != 0 || !own_netns) return nullptr;
  std::memcpy(&tuple, pointer<void>(lookup.tuple), size);
  return run.environment->sockets.find({.addresses = addresses_of(tuple, size == sizeof tuple.ipv6),
                                        .protocol = lookup.protocol,
                                        .ifindex = arrival(run)});
}

// sk_to_full_sk: a request for a connection counts as its listener.
SocketRef full_socket(const RunContext& run, const SocketRef& socket) {
  if (socket != nullptr && socket->state() == Socket::kNewSynRecv) {
    return run.environment->sockets.listener_of(*socket);
  }
  return socket != nullptr && socket->full() ? socket : nullptr;
}

}  // namespace

u64 sk_lookup_tcp(RunContext& run, u64, u64 tuple, u64 size, u64 netns, u64 flags) {
  return hold(run, full_socket(run, find(run, {Socket::kTcp, tuple, size, netns, flags})));
}
u64 sk_lookup_udp(RunContext& run, u64, u64 tuple, u64 size, u64 netns, u64 flags) {
  return hold(run, full_socket(run, find(run, {Socket::kUdp, tuple, size, netns, flags})));
}
u64 skc_lookup_tcp(RunContext& run, u64, u64 tuple, u64 size, u64 netns, u64 flags) {
  return hold(run, find(run, {Socket::kTcp, tuple, size, netns, flags}));
}

// The engine forgets the program's pointer; the object is dropped when the invocation ends.
u64 sk_release(RunContext&, u64, u64, u64, u64, u64) { return 0; }

u64 sk_fullsock(RunContext&, u64 socket, u64, u64, u64, u64) { return socket_at(socket).full() ? socket : 0; }

u64 tcp_sock(RunContext&, u64 socket, u64, u64, u64, u64) {
  return socket_at(socket).full() && socket_at(socket).protocol() == Socket::kTcp ? socket : 0;
}

u64 get_listener_sock(RunContext& run, u64 socket, u64, u64, u64, u64) {
  const SocketRef full = full_socket(run, socket_at(socket).shared_from_this());
  return full != nullptr && full->listens() ? hold(run, full) : 0;
}

// ---- bpf_sk_assign
// ---------------------------------------------------------------------------------------------------

namespace {

// A packet at an ingress hook gets its socket early.
int assign_packet(exec::Frame& frame, Socket& socket, u64 flags) {
  if (flags != 0) return -EINVAL;
  frame.socket = frame.change_results().target = socket.shared_from_this();
  return 0;
}

template <class T>
T field(const exec::Frame& frame, std::size_t offset) {
  T value;
  std::memcpy(&value, frame.context.data() + offset, sizeof value);
  return value;
}

// Whether packets of the lookup's kind may reach the socket at all.
int check_suits(const exec::Frame& frame, const Socket& socket) {
  constexpr std::uint32_t kInet6 = 10;  // AF_INET6
  const bool waits = socket.protocol() == Socket::kTcp ? socket.listens() : socket.state() == Socket::kClose;
  if (!waits) return -ESOCKTNOSUPPORT;
  if (socket.protocol() != field<std::uint32_t>(frame, offsetof(bpf_sk_lookup, protocol))) return -EPROTOTYPE;
  const bool ipv6 = field<std::uint32_t>(frame, offsetof(bpf_sk_lookup, family)) == kInet6;
  const bool same = socket.addresses().ipv6 == ipv6;
  return same || (socket.addresses().ipv6 && !socket.ipv6_only) ? 0 : -EAFNOSUPPORT;
}

// A lookup's result. No socket undoes an earlier choice.
int assign_lookup(exec::Frame& frame, Socket* socket, u64 flags) {
  constexpr u64 kFlags = BPF_SK_LOOKUP_F_REPLACE | BPF_SK_LOOKUP_F_NO_REUSEPORT;
  if ((flags & ~kFlags) != 0) return -EINVAL;
  if (socket != nullptr) {
    if (const int error = check_suits(frame, *socket); error != 0) return error;
  }
  if (frame.results().target != nullptr && (flags & BPF_SK_LOOKUP_F_REPLACE) == 0) return -EEXIST;
  frame.socket = frame.change_results().target = socket == nullptr ? nullptr : socket->shared_from_this();
  return 0;
}

}  // namespace

u64 sk_assign(RunContext& run, u64 ctx, u64 socket, u64 flags, u64, u64) {
  if (run.program->program().type() == isa::ProgType::sk_lookup) {
    return result(assign_lookup(frame_at(ctx), pointer<Socket>(socket), flags));
  }
  return result(assign_packet(frame_at(ctx), socket_at(socket), flags));
}

}  // namespace forager::helpers
