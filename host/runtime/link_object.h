// SPDX-License-Identifier: Apache-2.0
//
// LinkObject: a program attached through a link. The link holds its program, and the place holds the link weakly, so
// that closing a link's last descriptor detaches, as in Linux. A link of many probes stands at many places.
//
// Tested by: tests/unit/runtime_attach_test.cc, runtime_objects_test.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/objects.h"
#include "runtime/place.h"

namespace forager::runtime {

// Linux's enum bpf_link_type; <linux/bpf.h> 6.1 does not have all of it.
enum class LinkType : std::uint32_t {
  raw_tracepoint = 1,
  tracing,
  cgroup,
  iter,
  netns,
  xdp,
  perf_event,
  kprobe_multi,
  struct_ops,
  netfilter,
  tcx,
  uprobe_multi,
  netkit,
  sockmap,
};

struct LinkTarget {
  Place place;
  std::uint64_t cookie = 0;     // bpf_get_attach_cookie
  std::uint64_t semaphore = 0;  // a uprobe's reference counter: offset in the file; kept for whoever asks
};

struct LinkSpec {
  LinkType type{};
  std::uint32_t attach_type = 0;  // enum bpf_attach_type
  std::uint32_t flags = 0;        // the link type's own, as they were given
  std::int32_t priority = 0;      // netfilter
  std::uint32_t pid = 0;          // uprobe_multi: the only process, 0 = all
  std::vector<LinkTarget> targets;
  std::shared_ptr<const std::atomic<bool>> enabled;  // null = always
  std::shared_ptr<const void> held;                  // what lives as long as the link: a perf event, a map
  std::shared_ptr<const MapUser> map;                // iter: whose elements are visited, null where that is no matter
};

class LinkObject {
 public:
  LinkObject(std::uint32_t object_id, LinkSpec asked, std::shared_ptr<ProgramObject> program)
      : id(object_id), spec(std::move(asked)), program_(std::move(program)) {}

  [[nodiscard]] std::shared_ptr<ProgramObject> program() const {
    const std::lock_guard guard(mutex_);
    return program_;
  }
  [[nodiscard]] bool attached() const { return attached_; }

  const std::uint32_t id;
  const LinkSpec spec;

 private:
  friend class AttachPoints;
  void put(std::shared_ptr<ProgramObject> next) {
    const std::lock_guard guard(mutex_);
    program_.swap(next);
  }

  mutable std::mutex mutex_;
  std::shared_ptr<ProgramObject> program_;
  std::atomic<bool> attached_ = true;
};

}  // namespace forager::runtime
