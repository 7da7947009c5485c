// SPDX-License-Identifier: Apache-2.0
//
// bpf_setsockopt and bpf_getsockopt over the options that Linux gives programs (net/core/filter.c sol_socket_sockopt
// and its like), as rows: what values an option takes, what becomes of them, and what it is until it is set. An option
// says afterwards what Linux's would; its effect on a connection there is none of, except that struct bpf_sock shows
// it.
//
// TCP_CONGESTION and other options that are not numbers are refused, as ones that Linux does not know.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <optional>

#include "helpers/functions.h"
#include "program/program.h"

namespace forager::helpers {
namespace {

// net.core.rmem_max and wmem_max, and what they are cut to at the other end.
constexpr std::int32_t kMaxBuffer = 212992, kMinReceive = 2304, kMinSend = 4608;

std::int32_t same(std::int32_t value) { return value; }
std::int32_t truth(std::int32_t value) { return value != 0 ? 1 : 0; }
std::int32_t positive(std::int32_t value) { return value < 0 ? INT_MAX : std::max(value, 1); }
// Half of a buffer is for bookkeeping. A negative size is a large one to Linux.
std::int32_t buffer(std::int32_t value, std::int32_t least) {
  const std::int32_t cut = value < 0 ? kMaxBuffer : std::min(value, kMaxBuffer);
  return std::max(2 * cut, least);
}
std::int32_t receive_buffer(std::int32_t value) { return buffer(value, kMinReceive); }
std::int32_t send_buffer(std::int32_t value) { return buffer(value, kMinSend); }
// The lower two bits of a traffic class are TCP's own, for ECN.
std::int32_t traffic_class(std::int32_t value) { return value < 0 ? 0 : value & 0xfc; }
std::int32_t window(std::int32_t value) { return std::max(value, kMinReceive / 2); }

struct Option {
  int level, name;
  std::int32_t least, most;
  std::int32_t (*kept)(std::int32_t);
  std::int32_t initial;
};
constexpr Option kOptions[] = {
    {SOL_SOCKET, SO_REUSEADDR, INT_MIN, INT_MAX, truth, 0},
    {SOL_SOCKET, SO_SNDBUF, INT_MIN, INT_MAX, send_buffer, 16384},
    {SOL_SOCKET, SO_RCVBUF, INT_MIN, INT_MAX, receive_buffer, 131072},
    {SOL_SOCKET, SO_KEEPALIVE, INT_MIN, INT_MAX, truth, 0},
    {SOL_SOCKET, SO_PRIORITY, INT_MIN, INT_MAX, same, 0},
    {SOL_SOCKET, SO_RCVLOWAT, INT_MIN, INT_MAX, positive, 1},
    {SOL_SOCKET, SO_MARK, INT_MIN, INT_MAX, same, 0},
    {SOL_SOCKET, SO_BINDTOIFINDEX, 0, INT_MAX, same, 0},
    {IPPROTO_IP, IP_TOS, INT_MIN, INT_MAX, traffic_class, 0},
    {IPPROTO_IPV6, IPV6_TCLASS, -1, 0xff, traffic_class, 0},
    {IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, INT_MIN, INT_MAX, truth, 1},
    {IPPROTO_TCP, TCP_NODELAY, INT_MIN, INT_MAX, truth, 0},
    {IPPROTO_TCP, TCP_KEEPIDLE, 1, 32767, same, 7200},
    {IPPROTO_TCP, TCP_KEEPINTVL, 1, 32767, same, 75},
    {IPPROTO_TCP, TCP_KEEPCNT, 1, 127, same, 9},
    {IPPROTO_TCP, TCP_SYNCNT, 1, 127, same, 6},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP, 1, INT_MAX, window, 0},
    {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0, 1, same, 0},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0, INT_MAX, same, 0},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, INT_MIN, INT_MAX, same, 0},
    {IPPROTO_TCP, TCP_SAVE_SYN, 0, 2, same, 0},
};

// What of the levels a socket has.
bool has_level(const exec::Socket& socket, int level) {
  if (level == IPPROTO_IP) return !socket.addresses().ipv6;
  if (level == IPPROTO_IPV6) return socket.addresses().ipv6;
  return level == SOL_SOCKET || socket.protocol() == exec::Socket::kTcp;
}

const Option* find(const exec::Socket* socket, u64 level, u64 name, u64 size) {
  if (socket == nullptr || !socket->full() || static_cast<std::int32_t>(size) != sizeof(std::int32_t)) return nullptr;
  const auto* option = std::ranges::find_if(kOptions, [&](const Option& row) {
    return row.level == static_cast<std::int32_t>(level) && row.name == static_cast<std::int32_t>(name);
  });
  return option != std::end(kOptions) && has_level(*socket, option->level) ? option : nullptr;
}

// cgroup_sockopt programs give a socket, all others a context that has one.
exec::Socket* socket_of(const RunContext& run, u64 argument) {
  if (run.program->program().type() == isa::ProgType::cgroup_sockopt) return pointer<exec::Socket>(argument);
  return frame_at(argument).socket.get();
}

}  // namespace

u64 setsockopt(RunContext& run, u64 argument, u64 level, u64 name, u64 value, u64 size) {
  exec::Socket* socket = socket_of(run, argument);
  const Option* option = find(socket, level, name, size);
  if (option == nullptr) return result(-EINVAL);
  std::int32_t asked = 0;
  std::memcpy(&asked, pointer<void>(value), sizeof asked);
  if (asked < option->least || asked > option->most) return result(-EINVAL);
  socket->set_option(option->level, option->name, option->kept(asked));
  return 0;
}

u64 getsockopt(RunContext& run, u64 argument, u64 level, u64 name, u64 value, u64 size) {
  const exec::Socket* socket = socket_of(run, argument);
  const Option* option = find(socket, level, name, size);
  if (option == nullptr) {
    std::memset(pointer<void>(value), 0, size);
    return result(-EINVAL);
  }
  const std::int32_t now = socket->option(option->level, option->name).value_or(option->initial);
  std::memcpy(pointer<void>(value), &now, sizeof now);
  return 0;
}

}  // namespace forager::helpers
