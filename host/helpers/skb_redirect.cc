// SPDX-License-Identifier: Apache-2.0
//
// Where a packet of the stack goes (net/core/filter.c bpf_redirect, bpf_redirect_neigh, bpf_redirect_peer,
// bpf_clone_redirect). Nothing is checked of a redirect's port until the packet leaves; a clone leaves at once.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <algorithm>

#include "helpers/skb.h"
#include "helpers/skb_redirect.h"

namespace forager::helpers {
namespace {

constexpr std::uint32_t kLoopback = 1;

u64 go(RunContext& run, u64 ifindex, u64 flags) {
  run.frame->change_results().redirect = {.ifindex = low(ifindex), .flags = flags};
  return TC_ACT_REDIRECT;
}

bool is_port(const RunContext& run, std::uint32_t ifindex) {
  return ifindex == kLoopback || std::ranges::find(run.ports, ifindex) != run.ports.end() ||
         run.environment->fib.interface(ifindex) != nullptr;
}

}  // namespace

u64 skb_redirect(RunContext& run, u64 ifindex, u64 flags) {
  return (flags & ~u64{BPF_F_INGRESS}) != 0 ? u64{TC_ACT_SHOT} : go(run, ifindex, flags);
}

u64 redirect_peer(RunContext& run, u64 ifindex, u64 flags, u64, u64, u64) {
  return flags != 0 ? u64{TC_ACT_SHOT} : go(run, ifindex, exec::Redirect::kPeer);
}

u64 redirect_neigh(RunContext& run, u64 ifindex, u64, u64 size, u64 flags, u64) {
  const auto given = static_cast<std::int32_t>(size);
  const bool cut = given != 0 && given < static_cast<std::int32_t>(sizeof(bpf_redir_neigh));
  return cut || flags != 0 ? u64{TC_ACT_SHOT} : go(run, ifindex, exec::Redirect::kNeighbour);
}

// Ports are Ethernet devices: a packet without a link header, or an empty one, is not theirs.
u64 clone_redirect(RunContext& run, u64 ctx, u64 ifindex, u64 flags, u64, u64) {
  Frame& frame = frame_of(ctx);
  if ((flags & ~u64{BPF_F_INGRESS}) != 0 || !is_port(run, low(ifindex))) return result(-EINVAL);
  const auto packet = frame.packet();
  if (frame.skb->mac_header >= frame.skb->network_header || packet.empty()) return result(-ERANGE);
  frame.change_results().clones.push_back(
      {.redirect = {.ifindex = low(ifindex), .flags = flags}, .packet = {packet.begin(), packet.end()}});
  return 0;
}

}  // namespace forager::helpers
