// SPDX-License-Identifier: Apache-2.0
//
// Sockets out of maps and into them (net/core/sock_map.c, net/core/filter.c sk_select_reuseport). Where a packet or a
// message goes stands in its frame: the socket as Frame::target, the way as Frame::redirect.
#include <linux/bpf.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "helpers/functions.h"

namespace forager::helpers {
namespace {

using exec::Socket;
using SocketRef = std::shared_ptr<Socket>;

SocketRef look_up(u64 a, u64 key) {
  const exec::SocketTable* table = map(a).abilities().sockets;
  return table == nullptr ? nullptr : table->get(pointer<void>(key));
}

// sock_map_redirect_allowed: what listens receives nothing, and of others only TCP may be on its way down.
bool receives(const Socket& socket) {
  return socket.protocol() == Socket::kTcp ? !socket.listens() : socket.state() == Socket::kEstablished;
}

u64 redirect_to(RunContext& run, u64 a, const SocketRef& socket, u64 flags) {
  if ((flags & ~u64{BPF_F_INGRESS}) != 0 || socket == nullptr || !receives(*socket)) return SK_DROP;
  run.frame->change_results().target = socket;
  run.frame->change_results().redirect = {.map_type = static_cast<std::uint32_t>(map(a).spec().type), .flags = flags};
  return SK_PASS;
}

// A message that does not come in must go out by TCP.
u64 redirect_message(RunContext& run, u64 a, u64 key, u64 flags) {
  const SocketRef socket = look_up(a, key);
  const bool out = (flags & BPF_F_INGRESS) == 0;
  if (socket != nullptr && out && socket->protocol() != Socket::kTcp) return SK_DROP;
  return redirect_to(run, a, socket, flags);
}

// The context's socket, when it has just become one that a map may hold.
u64 add_context_socket(const RunContext& run, u64 a, u64 key, u64 flags) {
  std::uint32_t event = 0;
  std::memcpy(&event, run.frame->context.data() + offsetof(bpf_sock_ops, op), sizeof event);
  const bool fits = event == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB || event == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB ||
                    event == BPF_SOCK_OPS_TCP_LISTEN_CB;
  exec::SocketTable* table = map(a).abilities().sockets;
  if (!fits || table == nullptr || run.frame->socket == nullptr) return result(-EOPNOTSUPP);
  return result(table->set(pointer<void>(key), run.frame->socket, flags));
}

// sock_map_sk_state_allowed.
bool may_be_redirected_to(const Socket& socket) {
  return socket.protocol() != Socket::kTcp || socket.state() == Socket::kEstablished || socket.listens();
}

// Sockets that share a port: only one of the packet's own group may take it.
int check_group(const Socket& chosen, const Socket& asked) {
  if (chosen.protocol() != asked.protocol()) return -EPROTOTYPE;
  if (chosen.addresses().ipv6 != asked.addresses().ipv6) return -EAFNOSUPPORT;
  const bool same = chosen.addresses().local == asked.addresses().local &&
                    chosen.addresses().local_port == asked.addresses().local_port;
  return same ? 0 : -EBADFD;
}

}  // namespace

// Of a Socket, programs see the view, and every engine passes its address where a value is asked for.
int add_socket(exec::Map& to, const void* key, u64 view, u64 flags) {
  auto& socket = *reinterpret_cast<Socket*>(view - offsetof(Socket, view));
  if (!socket.full()) return -EINVAL;
  if (!may_be_redirected_to(socket)) return -EOPNOTSUPP;
  return to.abilities().sockets->set(key, socket.shared_from_this(), flags);
}

u64 sk_redirect_map(RunContext& run, u64, u64 a, u64 key, u64 flags, u64) {
  const auto index = static_cast<std::uint32_t>(key);
  return redirect_to(run, a, look_up(a, reinterpret_cast<u64>(&index)), flags);
}
u64 sk_redirect_hash(RunContext& run, u64, u64 a, u64 key, u64 flags, u64) {
  return redirect_to(run, a, look_up(a, key), flags);
}
u64 msg_redirect_map(RunContext& run, u64, u64 a, u64 key, u64 flags, u64) {
  const auto index = static_cast<std::uint32_t>(key);
  return redirect_message(run, a, reinterpret_cast<u64>(&index), flags);
}
u64 msg_redirect_hash(RunContext& run, u64, u64 a, u64 key, u64 flags, u64) {
  return redirect_message(run, a, key, flags);
}

u64 sock_map_update(RunContext& run, u64, u64 a, u64 key, u64 flags, u64) {
  return add_context_socket(run, a, key, flags);
}
u64 sock_hash_update(RunContext& run, u64, u64 a, u64 key, u64 flags, u64) {
  return add_context_socket(run, a, key, flags);
}

u64 sk_select_reuseport(RunContext& run, u64 ctx, u64 a, u64 key, u64, u64) {
  const SocketRef chosen = look_up(a, key);
  if (chosen == nullptr) return result(-ENOENT);
  exec::Frame& frame = frame_at(ctx);
  if (!chosen->reuseport) {
    return result(map(a).spec().type == isa::MapType::reuseport_sockarray ? -ENOENT : -EINVAL);
  }
  if (frame.socket != nullptr) {
    if (const int error = check_group(*chosen, *frame.socket); error != 0) return result(error);
  }
  run.frame->change_results().target = chosen;
  return 0;
}

}  // namespace forager::helpers
