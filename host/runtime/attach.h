// SPDX-License-Identifier: Apache-2.0
//
// AttachPoints: which programs stand at which place, and in which order they run.
//
// How a place takes programs depends on what it is (attach_policy.h): one at a time, in a list, at a priority, where
// the caller says (mprog), or through a tree of cgroups. Programs come by themselves (BPF_PROG_ATTACH) and stay until
// they are detached, or through links and stay as long as the link.
//
// Invariant: safe from any thread. A program that runs while it is detached runs to its end.
//
// Tested by: tests/unit/runtime_attach_test.cc, and against the kernel by syscall_attach_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/attach_policy.h"
#include "runtime/cgroups.h"
#include "runtime/id_table.h"
#include "runtime/link_object.h"

namespace forager::runtime {

// A program at a place.
struct Attachment {
  std::shared_ptr<ProgramObject> program;
  std::uint32_t link_id = 0;  // 0 = attached by itself
  std::uint32_t flags = 0;
  std::uint64_t cookie = 0;  // bpf_get_attach_cookie
};

// What BPF_PROG_QUERY tells.
struct Listing {
  std::uint32_t flags = 0;
  std::uint64_t revision = 1;
  std::vector<Attachment> attachments;
};

class AttachPoints {
 public:
  explicit AttachPoints(const Cgroups& cgroups) : cgroups_(cgroups) {}

  // 0 or the errno of the place's policy.
  [[nodiscard]] int attach(const Place& place, const std::shared_ptr<ProgramObject>& program,
                           const AttachRequest& request);
  // A new link at all places of `spec`, or at none of them.
  [[nodiscard]] Attached<std::shared_ptr<LinkObject>> link(IdTable<LinkObject>& links, LinkSpec spec,
                                                           const std::shared_ptr<ProgramObject>& program,
                                                           const AttachRequest& request);
  // Takes a program away that was attached by itself. `program` may be null where the place tells which is meant.
  [[nodiscard]] int detach(const Place& place, const std::shared_ptr<ProgramObject>& program,
                           const AttachRequest& request);
  // Puts `next` in the place of the link's program. -EPERM if `expected` is given and is not the present one, -EINVAL
  // if the types differ, -ENOLINK once detached.
  [[nodiscard]] int update(LinkObject& link, std::shared_ptr<ProgramObject> next, const ProgramObject* expected);
  // The link stays, without effect.
  void detach(LinkObject& link);

  // What stands at the place itself, in order.
  [[nodiscard]] Listing list(const Place& place) const;
  // What runs when something happens at the place, in order: of a cgroup, with what its ancestors share.
  [[nodiscard]] std::vector<Attachment> effective(const Place& place) const;

 private:
  // The point, without the links that are gone; an empty one where nothing was ever attached.
  [[nodiscard]] const Point& look(const Place& place) const;
  [[nodiscard]] std::vector<const Point*> above(const Place& place) const;
  [[nodiscard]] int put(const Place& place, Entry entry, const AttachRequest& request);
  void remove(const Place& place, const LinkObject& link);

  const Cgroups& cgroups_;
  mutable std::mutex mutex_;
  mutable std::map<Place, Point> points_;
};

}  // namespace forager::runtime
