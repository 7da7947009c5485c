// SPDX-License-Identifier: Apache-2.0
//
// How places take programs, as a table: one row for each way that Linux has. A policy only judges, and changes nothing;
// AttachPoints does what it says. errno values are those of the kernel file that a policy names.
//
// Tested by: tests/unit/runtime_attach_test.cc, and against the kernel by syscall_attach_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <vector>

#include "runtime/link_object.h"

namespace forager::runtime {

// Attach flags of <linux/bpf.h> (BPF_F_*), with those that 6.1's does not have.
inline constexpr std::uint32_t kAllowOverride = 1U << 0;
inline constexpr std::uint32_t kAllowMulti = 1U << 1;
inline constexpr std::uint32_t kReplace = 1U << 2;
inline constexpr std::uint32_t kBefore = 1U << 3;
inline constexpr std::uint32_t kAfter = 1U << 4;
inline constexpr std::uint32_t kPreorder = 1U << 6;

template <class T>
using Attached = std::expected<T, int>;  // or a negative errno

// Who of those at a place is meant: a program, or a link with its program. Empty: nobody in particular.
struct Who {
  std::shared_ptr<ProgramObject> program;
  std::shared_ptr<LinkObject> link;

  [[nodiscard]] bool named() const { return program || link; }
};

struct AttachRequest {
  std::uint32_t flags = 0;
  Who replaced;                // with kReplace
  Who relative;                // with kBefore and kAfter
  std::uint64_t revision = 0;  // what the place must be at; 0 = any
};

// What stands at a place: a program by itself, or a link, whose program may change.
struct Entry {
  std::shared_ptr<ProgramObject> own;
  std::weak_ptr<LinkObject> link;
  std::uint32_t flags = 0;
  std::int32_t priority = 0;
  std::uint64_t cookie = 0;

  [[nodiscard]] bool by_link() const { return own == nullptr; }
  // Null of a link that is gone.
  [[nodiscard]] std::shared_ptr<ProgramObject> program() const;
  // The program or, if `who` names one, the link.
  [[nodiscard]] bool is(const Who& who) const;
};

struct Point {
  std::vector<Entry> entries;
  std::uint32_t flags = 0;  // of a cgroup: how it shares with its descendants
  std::uint64_t revision = 1;
};

// Where an entry goes: before the entry at `index`, or in its place.
struct Spot {
  std::size_t index = 0;
  bool replaces = false;
};

// One request as a policy sees it.
struct Admission {
  const Point& point;
  std::span<const Point* const> above;  // a cgroup's ancestors, nearest first
  const Entry& entry;
  const AttachRequest& request;
};

struct Policy {
  std::size_t most;          // programs at a place
  int too_many;              // errno when there are
  std::uint32_t kept_flags;  // which of a request's flags become the place's
  Attached<Spot> (*admit)(const Admission&);
  // The entry that a request to detach `program` (null where the caller did not say) means.
  Attached<std::size_t> (*find)(const Point&, const std::shared_ptr<ProgramObject>& program,
                                const AttachRequest& request);
};

[[nodiscard]] const Policy& policy_of(const Place& place);

// attach_mprog.cc: kernel/bpf/mprog.c.
[[nodiscard]] Attached<Spot> admit_mprog(const Admission& asked);
[[nodiscard]] Attached<std::size_t> find_mprog(const Point& point, const std::shared_ptr<ProgramObject>& program,
                                               const AttachRequest& request);
// attach_cgroup.cc: kernel/bpf/cgroup.c.
[[nodiscard]] Attached<Spot> admit_cgroup(const Admission& asked);
[[nodiscard]] Attached<std::size_t> find_cgroup(const Point& point, const std::shared_ptr<ProgramObject>& program,
                                                const AttachRequest& request);

}  // namespace forager::runtime
