// SPDX-License-Identifier: Apache-2.0
#include "runtime/attach_policy.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace forager::runtime {
namespace {

using Program = std::shared_ptr<ProgramObject>;

std::unexpected<int> refuse(int error) { return std::unexpected(-error); }

Spot last(const Point& point) { return {point.entries.size(), false}; }

Attached<std::size_t> find_own(const Point& point, const Program& program, const AttachRequest&) {
  const auto at = std::ranges::find_if(point.entries, [&](const Entry& entry) { return entry.own == program; });
  if (program == nullptr || at == point.entries.end()) return refuse(ENOENT);
  return static_cast<std::size_t>(at - point.entries.begin());
}

// ---- a port's XDP program: net/core/dev.c dev_xdp_attach ---------------------------------------------------------

// The modes XDP_FLAGS_SKB_MODE and XDP_FLAGS_DRV_MODE exclude one another; no mode is the driver's.
Attached<Spot> admit_xdp(const Admission& asked) {
  constexpr std::uint32_t kSkbMode = 1U << 1;
  if (asked.point.entries.empty()) return Spot{};
  const bool same_mode = ((asked.point.entries.front().flags ^ asked.entry.flags) & kSkbMode) == 0;
  return refuse(same_mode ? EBUSY : EEXIST);
}

// ---- places with any number of programs --------------------------------------------------------------------------

Attached<Spot> admit_list(const Admission& asked) { return last(asked.point); }

// ---- the flow dissector: kernel/bpf/net_namespace.c --------------------------------------------------------------

Attached<Spot> admit_dissector(const Admission& asked) {
  const auto& entries = asked.point.entries;
  if (entries.empty()) return Spot{};
  const Entry& present = entries.front();
  if (asked.entry.by_link()) return refuse(present.by_link() ? E2BIG : EEXIST);
  if (present.by_link()) return refuse(EEXIST);
  if (present.own == asked.entry.own) return refuse(EINVAL);
  return Spot{.index = 0, .replaces = true};
}

Attached<std::size_t> find_dissector(const Point& point, const Program& program, const AttachRequest& request) {
  if (!point.entries.empty() && point.entries.front().by_link()) return refuse(EINVAL);
  return find_own(point, program, request);
}

// ---- a sockmap's program of one kind: net/core/sock_map.c --------------------------------------------------------

// A program takes another's place; no link is replaced, and no link replaces.
Attached<Spot> admit_sockmap(const Admission& asked) {
  if (asked.point.entries.empty()) return Spot{};
  if (asked.point.entries.front().by_link()) return refuse(EBUSY);
  return Spot{.index = 0, .replaces = true};
}

Attached<std::size_t> find_sockmap(const Point& point, const Program& program, const AttachRequest& request) {
  if (!point.entries.empty() && point.entries.front().by_link()) return refuse(EBUSY);
  return find_own(point, program, request);
}

// ---- a netfilter hook: net/netfilter/core.c ----------------------------------------------------------------------

Attached<Spot> admit_netfilter(const Admission& asked) {
  const auto& entries = asked.point.entries;
  const auto at = std::ranges::lower_bound(entries, asked.entry.priority, {}, &Entry::priority);
  if (at != entries.end() && at->priority == asked.entry.priority) return refuse(EBUSY);
  return Spot{.index = static_cast<std::size_t>(at - entries.begin()), .replaces = false};
}

constexpr std::size_t kMprogMost = 64;        // BPF_MPROG_MAX
constexpr std::size_t kCgroupMost = 64;       // BPF_CGROUP_MAX_PROGS
constexpr std::size_t kLookupMost = 64;       // MAX_PROGS of a netns
constexpr std::size_t kTraceMost = 64;        // BPF_TRACE_MAX_PROGS
constexpr std::size_t kNetfilterMost = 1024;  // MAX_HOOK_COUNT

constexpr Policy kXdp{1, EBUSY, 0, admit_xdp, find_own};
constexpr Policy kMprog{kMprogMost, ERANGE, 0, admit_mprog, find_mprog};
constexpr Policy kCgroup{kCgroupMost, E2BIG, kAllowOverride | kAllowMulti, admit_cgroup, find_cgroup};
constexpr Policy kSockmap{1, EBUSY, 0, admit_sockmap, find_sockmap};
constexpr Policy kDissector{1, E2BIG, 0, admit_dissector, find_dissector};
constexpr Policy kLookup{kLookupMost, E2BIG, 0, admit_list, find_own};
constexpr Policy kNetfilter{kNetfilterMost, E2BIG, 0, admit_netfilter, find_own};
constexpr Policy kTrace{kTraceMost, E2BIG, 0, admit_list, find_own};

}  // namespace

Program Entry::program() const {
  if (own) return own;
  const auto held = link.lock();
  return held ? held->program() : nullptr;
}

bool Entry::is(const Who& who) const { return who.link ? link.lock() == who.link : program() == who.program; }

const Policy& policy_of(const Place& place) {
  const auto attach_type = static_cast<isa::AttachType>(place.attach_type);
  switch (place.kind) {
    case PlaceKind::port:
      return attach_type == isa::AttachType::xdp ? kXdp : kMprog;
    case PlaceKind::cgroup:
      return kCgroup;
    case PlaceKind::map:
      return kSockmap;
    case PlaceKind::netns:
      return attach_type == isa::AttachType::flow_dissector ? kDissector : kLookup;
    case PlaceKind::netfilter:
      return kNetfilter;
    default:
      return kTrace;
  }
}

}  // namespace forager::runtime
