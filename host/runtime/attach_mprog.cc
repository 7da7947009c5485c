// SPDX-License-Identifier: Apache-2.0
//
// The order of TCX and netkit programs: kernel/bpf/mprog.c. Callers say who comes before or after whom, and may ask
// that nobody has changed the order since they read it.
#include <algorithm>
#include <cerrno>
#include <optional>

#include "runtime/attach_policy.h"

namespace forager::runtime {
namespace {

std::unexpected<int> refuse(int error) { return std::unexpected(-error); }

bool other_revision(const Point& point, const AttachRequest& request) {
  return request.revision != 0 && request.revision != point.revision;
}

std::optional<std::size_t> position(const Point& point, const Who& who) {
  const auto at = std::ranges::find_if(point.entries, [&](const Entry& entry) { return entry.is(who); });
  if (at == point.entries.end()) return std::nullopt;
  return static_cast<std::size_t>(at - point.entries.begin());
}

// Position of the entry for which `who` stands, as a program by itself and not as a link's (or the other way round).
Attached<std::size_t> exact(const Point& point, const Who& who) {
  const auto at = position(point, {who.program, nullptr});
  if (!at) return refuse(ENOENT);
  if (point.entries[*at].link.lock() != who.link) return refuse(EBUSY);
  return *at;
}

// Where `relative` points: the position before its entry is one less than the entry's, the position after it one more;
// without an entry, the ends count: -1 and the number of entries. Several ways to say it must agree.
class Position {
 public:
  Position(const Point& point, const AttachRequest& request) : point_(point), request_(request) {}

  // The position that the request's flags name, which must be `known` where that is known already.
  Attached<std::optional<std::ptrdiff_t>> find(std::optional<std::ptrdiff_t> known) {
    found_ = known;
    for (const bool after : {false, true}) {
      if ((request_.flags & (after ? kAfter : kBefore)) == 0) continue;
      if (const int error = narrow(after); error != 0) return std::unexpected(error);
    }
    if (!found_ && (request_.relative.named() || request_.flags != 0)) return refuse(EINVAL);
    return found_;
  }

 private:
  int narrow(bool after) {
    std::ptrdiff_t here = after ? std::ssize(point_.entries) : -1;
    if (request_.relative.named()) {
      const auto at = position(point_, request_.relative);
      if (!at) return -ENOENT;
      here = static_cast<std::ptrdiff_t>(*at) + (after ? 1 : -1);
    }
    if (found_ && *found_ != here) return -ERANGE;
    found_ = here;
    return 0;
  }

  const Point& point_;
  const AttachRequest& request_;
  std::optional<std::ptrdiff_t> found_;
};

}  // namespace

Attached<Spot> admit_mprog(const Admission& asked) {
  const auto& [point, above, entry, request] = asked;
  if (other_revision(point, request)) return refuse(ESTALE);
  if (position(point, {entry.program(), nullptr})) return refuse(EEXIST);
  std::optional<std::ptrdiff_t> known;
  if ((request.flags & kReplace) != 0) {
    const auto at = exact(point, request.replaced);
    if (!at) return std::unexpected(at.error());
    known = static_cast<std::ptrdiff_t>(*at);
  }
  const auto found = Position(point, request).find(known);
  if (!found) return std::unexpected(found.error());
  if (known) return Spot{.index = static_cast<std::size_t>(*known), .replaces = true};
  if (!*found) return Spot{.index = point.entries.size(), .replaces = false};
  const bool before = (request.flags & kBefore) != 0;
  return Spot{.index = static_cast<std::size_t>(**found + (before ? 1 : 0)), .replaces = false};
}

Attached<std::size_t> find_mprog(const Point& point, const std::shared_ptr<ProgramObject>& program,
                                 const AttachRequest& request) {
  if ((request.flags & kReplace) != 0) return refuse(EINVAL);
  if (other_revision(point, request)) return refuse(ESTALE);
  if (point.entries.empty()) return refuse(ENOENT);
  std::optional<std::ptrdiff_t> known;
  if (program) {
    const auto at = exact(point, {program, nullptr});
    if (!at) return at;
    known = static_cast<std::ptrdiff_t>(*at);
  }
  const auto found = Position(point, request).find(known);
  if (!found) return std::unexpected(found.error());
  const std::ptrdiff_t final = std::ssize(point.entries) - 1;
  const auto index = static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(found->value_or(final), 0, final));
  if (point.entries[index].by_link()) return refuse(EBUSY);
  return index;
}

}  // namespace forager::runtime
