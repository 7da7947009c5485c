// SPDX-License-Identifier: Apache-2.0
//
// Programs of cgroups: kernel/bpf/cgroup.c. The first program of a cgroup decides how it shares with its descendants:
// not at all (no flag), until one of them has a program of its own (ALLOW_OVERRIDE), or always (ALLOW_MULTI).
#include <algorithm>
#include <cerrno>

#include "runtime/attach_policy.h"

namespace forager::runtime {
namespace {

using Program = std::shared_ptr<ProgramObject>;

std::unexpected<int> refuse(int error) { return std::unexpected(-error); }

bool contradictory(const AttachRequest& request) {
  const std::uint32_t flags = request.flags;
  const bool override_and_multi = (flags & kAllowOverride) != 0 && (flags & kAllowMulti) != 0;
  const bool replaces = (flags & kReplace) != 0;
  return override_and_multi || (replaces && (flags & kAllowMulti) == 0) || replaces != request.replaced.named() ||
         (replaces && (flags & (kBefore | kAfter)) != 0);
}

// The nearest ancestor with something to say decides.
bool ancestors_allow(std::span<const Point* const> above) {
  for (const Point* point : above) {
    if ((point->flags & kAllowMulti) != 0) return true;
    if (!point->entries.empty()) return (point->flags & kAllowOverride) != 0;
  }
  return true;
}

Attached<std::size_t> index_of(const Point& point, auto wanted) {
  const auto at = std::ranges::find_if(point.entries, wanted);
  if (at == point.entries.end()) return refuse(ENOENT);
  return static_cast<std::size_t>(at - point.entries.begin());
}

// Programs with PREORDER stand before those without; inside each kind, before or after whom the request says.
Attached<Spot> ordered(const Admission& asked) {
  const auto& [point, above, entry, request] = asked;
  if ((request.flags & (kBefore | kAfter)) == 0) {
    if (request.relative.named()) return refuse(EINVAL);
    return Spot{.index = point.entries.size(), .replaces = false};
  }
  if ((request.flags & kBefore) != 0 && (request.flags & kAfter) != 0) return refuse(EINVAL);
  const bool before = (request.flags & kBefore) != 0;
  if (!request.relative.named()) return Spot{.index = before ? 0 : point.entries.size(), .replaces = false};
  const auto at = index_of(point, [&](const Entry& other) { return other.is(request.relative); });
  if (!at) return std::unexpected(at.error());
  return Spot{.index = *at + (before ? 0 : 1), .replaces = false};
}

Attached<Spot> among_many(const Admission& asked) {
  const auto& [point, above, entry, request] = asked;
  if (!entry.by_link() && entry.own != request.replaced.program &&
      index_of(point, [&](const Entry& other) { return other.own == entry.own; })) {
    return refuse(EINVAL);
  }
  if (!request.replaced.named()) return ordered(asked);
  const auto at = index_of(point, [&](const Entry& other) { return other.own == request.replaced.program; });
  if (!at) return std::unexpected(at.error());
  return Spot{.index = *at, .replaces = true};
}

}  // namespace

Attached<Spot> admit_cgroup(const Admission& asked) {
  const auto& [point, above, entry, request] = asked;
  if (contradictory(request)) return refuse(EINVAL);
  if (request.revision != 0 && request.revision != point.revision) return refuse(ESTALE);
  if (!ancestors_allow(above)) return refuse(EPERM);
  const std::uint32_t sharing = request.flags & (kAllowOverride | kAllowMulti);
  if (!point.entries.empty() && point.flags != sharing) return refuse(EPERM);
  if ((sharing & kAllowMulti) != 0) return among_many(asked);
  if (point.entries.empty()) return Spot{};
  return Spot{.index = 0, .replaces = true};
}

// Where there is one program only, it is meant, whatever the request says.
Attached<std::size_t> find_cgroup(const Point& point, const Program& program, const AttachRequest& request) {
  if (request.revision != 0 && request.revision != point.revision) return refuse(ESTALE);
  if ((point.flags & kAllowMulti) == 0) {
    if (point.entries.empty()) return refuse(ENOENT);
    return std::size_t{0};
  }
  if (!program) return refuse(EINVAL);
  return index_of(point, [&](const Entry& entry) { return entry.own == program; });
}

}  // namespace forager::runtime
