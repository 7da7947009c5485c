// SPDX-License-Identifier: Apache-2.0
//
// BPF_LINK_CREATE: one row for each kind of attach point. Those of events stand in link_probes.cc, those of
// iterators in link_iter.cc. Programs that hook into a kernel's own functions (other tracing ones, lsm, struct_ops,
// ext) have nothing to be attached to, and get -EINVAL, as do those whose types have no links at all.
#include <bit>
#include <cerrno>
#include <climits>

#include "syscall/link_iter.h"
#include "syscall/link_probes.h"
#include "syscall/targets.h"

namespace forager::syscall {
namespace {

using isa::AttachType;
using isa::ProgType;
using runtime::LinkSpec;
using runtime::LinkType;
using runtime::Place;
using runtime::ProgramObject;
using Program = std::shared_ptr<ProgramObject>;

constexpr unsigned kXdpModes = 1U << 1 | 1U << 2 | 1U << 3;  // XDP_FLAGS_{SKB,DRV,HW}_MODE of <linux/if_link.h>

LinkSpec spec_at(LinkType type, const LinkAttributes& asked, Place place) {
  return {.type = type, .attach_type = asked.attach_type, .flags = asked.flags, .targets = {{std::move(place)}}};
}

// Two modes at once are an error everywhere. Programs for map entries (DEVMAP, CPUMAP) are not for a port.
long attach_xdp(const Call& call, const LinkAttributes& asked, const Program& program) {
  const bool bad_flags = (asked.flags & ~kXdpModes) != 0 || std::popcount(asked.flags & kXdpModes) > 1;
  const std::uint32_t expected = program->source().attach_type;
  if (asked.attach_type != BPF_XDP || !call.runtime().port_exists(asked.target)) return -EINVAL;
  if (bad_flags || (expected != 0 && expected != BPF_XDP)) return -EINVAL;
  return install_link(call, spec_at(LinkType::xdp, asked, Place::port(asked.target, BPF_XDP)), program);
}

// Places whose order the caller may choose: TCX, netkit, cgroups.
long attach_ordered(const Call& call, const LinkAttributes& asked, const Program& program, LinkType type,
                    std::uint32_t implied) {
  const auto place = place_of(call, asked.attach_type, asked.target);
  if (!place) return place.error();
  auto relative = relative_of(call, asked.flags, asked.mprog.relative, program->type());
  if (!relative) return relative.error();
  const runtime::AttachRequest request{.flags = (asked.flags & ~(kFlagId | kFlagLink)) | implied,
                                       .relative = std::move(*relative),
                                       .revision = asked.mprog.expected_revision};
  return install_link(call, spec_at(type, asked, *place), program, request);
}

constexpr std::uint32_t kOrderFlags = runtime::kBefore | runtime::kAfter | kFlagId | kFlagLink;

long attach_classifier(const Call& call, const LinkAttributes& asked, const Program& program) {
  const auto type = static_cast<AttachType>(asked.attach_type);
  const bool tcx = type == AttachType::tcx_ingress || type == AttachType::tcx_egress;
  constexpr std::uint32_t kKnown = kOrderFlags | runtime::kReplace;  // but a link names nobody to replace
  if (target_kind(asked.attach_type) != TargetKind::port || (asked.flags & ~kKnown) != 0) return -EINVAL;
  return attach_ordered(call, asked, program, tcx ? LinkType::tcx : LinkType::netkit, 0);
}

// Links of cgroups always share.
long attach_cgroup(const Call& call, const LinkAttributes& asked, const Program& program) {
  constexpr std::uint32_t kKnown = kOrderFlags | runtime::kAllowMulti | runtime::kPreorder;
  if ((asked.flags & ~kKnown) != 0) return -EINVAL;
  return attach_ordered(call, asked, program, LinkType::cgroup, runtime::kAllowMulti);
}

long attach_netns(const Call& call, const LinkAttributes& asked, const Program& program) {
  if (asked.flags != 0) return -EINVAL;
  const auto place = place_of(call, asked.attach_type, asked.target);
  return place ? install_link(call, spec_at(LinkType::netns, asked, *place), program) : place.error();
}

long attach_sockmap(const Call& call, const LinkAttributes& asked, const Program& program) {
  if (asked.flags != 0) return -EINVAL;
  const auto place = place_of(call, asked.attach_type, asked.target);
  if (!place) return place.error();
  if (const long error = check_sockmap(call.runtime(), *place); error != 0) return error;
  LinkSpec spec = spec_at(LinkType::sockmap, asked, *place);
  if (const auto map = call.fds().find<runtime::MapUser>(static_cast<int>(asked.target))) spec.held = *map;
  return install_link(call, std::move(spec), program);
}

// net/netfilter/nf_bpf_link.c bpf_nf_check_pf_and_hooks(). Defragmentation, the one flag there is, is refused: frames
// arrive whole here.
long attach_netfilter(const Call& call, const LinkAttributes& asked, const Program& program) {
  constexpr std::uint32_t kIpv4 = 2, kIpv6 = 10, kHooks = 5;  // NFPROTO_*, NF_INET_NUMHOOKS
  const auto& hook = asked.netfilter;
  if (asked.flags != 0 || asked.target != 0) return -EINVAL;
  if (hook.family != kIpv4 && hook.family != kIpv6) return -EAFNOSUPPORT;
  if (hook.hook >= kHooks) return -EPROTO;
  if (hook.flags != 0) return -EOPNOTSUPP;
  if (hook.priority == INT_MIN || hook.priority == INT_MAX) return -ERANGE;
  LinkSpec spec = spec_at(LinkType::netfilter, asked, Place::netfilter(hook.family, hook.hook));
  spec.priority = hook.priority;
  return install_link(call, std::move(spec), program);
}

struct LinkRow {
  ProgType type;
  long (*attach)(const Call&, const LinkAttributes&, const Program&);
};

constexpr LinkRow kRows[] = {
    {ProgType::xdp, attach_xdp},
    {ProgType::sched_cls, attach_classifier},
    {ProgType::cgroup_skb, attach_cgroup},
    {ProgType::cgroup_sock, attach_cgroup},
    {ProgType::cgroup_sock_addr, attach_cgroup},
    {ProgType::cgroup_sockopt, attach_cgroup},
    {ProgType::cgroup_sysctl, attach_cgroup},
    {ProgType::cgroup_device, attach_cgroup},
    {ProgType::sock_ops, attach_cgroup},
    {ProgType::flow_dissector, attach_netns},
    {ProgType::sk_lookup, attach_netns},
    {ProgType::sk_skb, attach_sockmap},
    {ProgType::sk_msg, attach_sockmap},
    {ProgType::netfilter, attach_netfilter},
    {ProgType::kprobe, attach_probe},
    {ProgType::tracepoint, attach_probe},
    {ProgType::perf_event, attach_probe},
    {ProgType::tracing, attach_iterator},
};

}  // namespace

// A sockmap's verdict has two forms, of which it has one at a time (net/core/sock_map.c).
long check_sockmap(runtime::Runtime& runtime, const Place& place) {
  constexpr auto kStream = static_cast<std::uint32_t>(AttachType::sk_skb_stream_verdict);
  constexpr auto kPlain = static_cast<std::uint32_t>(AttachType::sk_skb_verdict);
  if (place.kind != runtime::PlaceKind::map) return 0;
  if (place.attach_type != kStream && place.attach_type != kPlain) return 0;
  Place other = place;
  other.attach_type = place.attach_type == kStream ? kPlain : kStream;
  return runtime.points().list(other).attachments.empty() ? 0 : -EBUSY;
}

long install_link(const Call& call, LinkSpec spec, const Program& program, const runtime::AttachRequest& request) {
  auto link = call.runtime().link(std::move(spec), program, request);
  return link ? call.fds().install(std::move(*link)) : link.error();
}

long link_create(const Call& call) {
  const auto asked = part_of<LinkAttributes>(call.attr);
  const auto program = call.fds().find<ProgramObject>(static_cast<int>(asked.prog_fd));
  if (!program) return program.error();
  if (!takes(asked.attach_type, **program)) return -EINVAL;
  for (const LinkRow& row : kRows) {
    if (row.type == (*program)->type()) return row.attach(call, asked, *program);
  }
  return -EINVAL;
}

}  // namespace forager::syscall
