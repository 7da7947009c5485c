// SPDX-License-Identifier: Apache-2.0
#include "runtime/attach.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace forager::runtime {
namespace {

// Something has left. A place that is empty begins anew, but a cgroup counts on (Linux frees the one with its last
// program, and the other with its directory).
void changed(const Place& place, Point& point, std::uint64_t times) {
  point.revision += times;
  if (!point.entries.empty()) return;
  point.flags = 0;
  if (place.kind != PlaceKind::cgroup) point.revision = 1;
}

// A link that is gone has left its place, and whoever compares revisions must see it.
void forget_dead(const Place& place, Point& point) {
  const auto dead = [](const Entry& entry) { return entry.by_link() && entry.link.expired(); };
  if (const auto count = std::erase_if(point.entries, dead); count != 0) changed(place, point, count);
}

void erase(const Place& place, Point& point, std::size_t index) {
  point.entries.erase(point.entries.begin() + static_cast<std::ptrdiff_t>(index));
  changed(place, point, 1);
}

std::vector<Attachment> attachments(const Point& point) {
  std::vector<Attachment> all;
  for (const Entry& entry : point.entries) {
    const auto link = entry.link.lock();
    if (link && link->spec.enabled && !*link->spec.enabled) continue;
    if (auto program = entry.program()) {
      all.push_back({std::move(program), link ? link->id : 0, entry.flags, entry.cookie});
    }
  }
  return all;
}

}  // namespace

const Point& AttachPoints::look(const Place& place) const {
  static const Point kEmpty;
  const auto at = points_.find(place);
  if (at == points_.end()) return kEmpty;
  forget_dead(place, at->second);
  return at->second;
}

std::vector<const Point*> AttachPoints::above(const Place& place) const {
  std::vector<const Point*> points;
  if (place.kind != PlaceKind::cgroup) return points;
  for (const std::uint64_t id : cgroups_.lineage(place.number)) {
    if (id != place.number) points.push_back(&look(Place::cgroup(id, place.attach_type)));
  }
  return points;
}

int AttachPoints::put(const Place& place, Entry entry, const AttachRequest& request) {
  const Policy& policy = policy_of(place);
  const Point& present = look(place);
  const auto ancestors = above(place);
  const auto spot = policy.admit({present, ancestors, entry, request});
  if (!spot) return spot.error();
  if (!spot->replaces && present.entries.size() >= policy.most) return -policy.too_many;
  Point& point = points_[place];
  if (spot->replaces) {
    point.entries[spot->index] = std::move(entry);
  } else {
    point.entries.insert(point.entries.begin() + static_cast<std::ptrdiff_t>(spot->index), std::move(entry));
  }
  point.flags = request.flags & policy.kept_flags;
  ++point.revision;
  return 0;
}

int AttachPoints::attach(const Place& place, const std::shared_ptr<ProgramObject>& program,
                         const AttachRequest& request) {
  const std::lock_guard guard(mutex_);
  return put(place, {.own = program, .link = {}, .flags = request.flags & kPreorder}, request);
}

Attached<std::shared_ptr<LinkObject>> AttachPoints::link(IdTable<LinkObject>& links, LinkSpec spec,
                                                         const std::shared_ptr<ProgramObject>& program,
                                                         const AttachRequest& request) {
  auto link = links.make(std::move(spec), program);
  const std::lock_guard guard(mutex_);
  for (const LinkTarget& target : link->spec.targets) {
    const int error = put(target.place,
                          {.own = nullptr,
                           .link = link,
                           .flags = link->spec.flags,
                           .priority = link->spec.priority,
                           .cookie = target.cookie},
                          request);
    if (error == 0) continue;
    for (const LinkTarget& done : link->spec.targets) remove(done.place, *link);
    return std::unexpected(error);
  }
  return link;
}

int AttachPoints::detach(const Place& place, const std::shared_ptr<ProgramObject>& program,
                         const AttachRequest& request) {
  const std::lock_guard guard(mutex_);
  const auto index = policy_of(place).find(look(place), program, request);
  if (!index) return index.error();
  erase(place, points_[place], *index);
  return 0;
}

int AttachPoints::update(LinkObject& link, std::shared_ptr<ProgramObject> next, const ProgramObject* expected) {
  const std::lock_guard guard(mutex_);
  if (!link.attached_) return -ENOLINK;
  const auto present = link.program();
  if (expected != nullptr && expected != present.get()) return -EPERM;
  if (next->type() != present->type()) return -EINVAL;
  if (next == present) return 0;
  link.put(std::move(next));
  for (const LinkTarget& target : link.spec.targets) ++points_[target.place].revision;
  return 0;
}

void AttachPoints::remove(const Place& place, const LinkObject& link) {
  const auto& entries = look(place).entries;
  const auto at = std::ranges::find_if(entries, [&](const Entry& entry) { return entry.link.lock().get() == &link; });
  if (at != entries.end()) erase(place, points_[place], static_cast<std::size_t>(at - entries.begin()));
}

void AttachPoints::detach(LinkObject& link) {
  const std::lock_guard guard(mutex_);
  if (!link.attached_.exchange(false)) return;
  for (const LinkTarget& target : link.spec.targets) remove(target.place, link);
}

Listing AttachPoints::list(const Place& place) const {
  const std::lock_guard guard(mutex_);
  const Point& point = look(place);
  return {.flags = point.flags, .revision = point.revision, .attachments = attachments(point)};
}

// kernel/bpf/cgroup.c compute_effective_progs(): the cgroup's own programs, then those of every ancestor that shares
// always, or that shares with a cgroup which has none. Those with PREORDER come before all others, the root's first.
std::vector<Attachment> AttachPoints::effective(const Place& place) const {
  const std::lock_guard guard(mutex_);
  std::vector<Attachment> early, late;
  std::vector<const Point*> levels = above(place);
  levels.insert(levels.begin(), &look(place));
  for (const Point* level : levels) {
    if (!(early.empty() && late.empty()) && (level->flags & kAllowMulti) == 0) continue;
    auto theirs = attachments(*level);
    const bool cgroup = place.kind == PlaceKind::cgroup;
    const auto rest = std::ranges::stable_partition(
        theirs, [&](const Attachment& one) { return cgroup && (one.flags & kPreorder) != 0; });
    early.insert(early.begin(), theirs.begin(), rest.begin());
    late.insert(late.end(), rest.begin(), rest.end());
  }
  early.insert(early.end(), late.begin(), late.end());
  return early;
}

}  // namespace forager::runtime
