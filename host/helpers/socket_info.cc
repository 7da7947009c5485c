// SPDX-License-Identifier: Apache-2.0
//
// Whose a socket is: cookies, user and cgroup (net/core/filter.c).
#include "exec/socket.h"

#include "helpers/functions.h"

namespace forager::helpers {

// sk_reuseport programs give the socket, all others their context, which may have one.
u64 get_socket_cookie(RunContext& run, u64 argument, u64, u64, u64, u64) {
  if (run.program->program().type() == isa::ProgType::sk_reuseport) return socket_at(argument).cookie;
  const exec::Frame& frame = frame_at(argument);
  return frame.socket == nullptr ? 0 : frame.socket->cookie;
}

u64 get_socket_uid(RunContext&, u64 ctx, u64, u64, u64, u64) {
  constexpr u64 kOverflowUid = 65534;  // DEFAULT_OVERFLOWUID: nobody
  const exec::Frame& frame = frame_at(ctx);
  return frame.socket == nullptr || !frame.socket->full() ? kOverflowUid : frame.socket->uid;
}

u64 get_netns_cookie(RunContext&, u64 ctx, u64, u64, u64, u64) {
  constexpr u64 kInitial = 1;  // init_net's
  if (ctx == 0 || frame_at(ctx).socket == nullptr) return kInitial;
  return frame_at(ctx).socket->netns_cookie;
}

u64 sk_cgroup_id(RunContext&, u64 socket, u64, u64, u64, u64) {
  return socket_at(socket).full() ? socket_at(socket).cgroup_id : 0;
}

// Level 0 is the root; a level below the cgroup's own has no ancestor.
u64 sk_ancestor_cgroup_id(RunContext&, u64 argument, u64 level, u64, u64, u64) {
  const exec::Socket& socket = socket_at(argument);
  const auto asked = static_cast<std::uint32_t>(level);
  if (!socket.full()) return 0;
  if (socket.cgroup_ancestors.empty()) return asked == 0 ? socket.cgroup_id : 0;
  return asked < socket.cgroup_ancestors.size() ? socket.cgroup_ancestors[asked] : 0;
}

}  // namespace forager::helpers
