// SPDX-License-Identifier: Apache-2.0
//
// CGROUP_ARRAY: cgroups by index, for bpf_skb_under_cgroup and bpf_current_task_under_cgroup (kernel/bpf/arraymap.c). A
// slot holds a cgroup's id, which is what packets and tasks of the traced machine name theirs by (exec/task.h,
// exec/socket.h).
//
// User space puts a cgroup in by a descriptor of its directory, as in Linux, and reads nothing back. A cgroup of
// another machine has no directory here: set() takes its id. Helpers find the id by lookup(), which Linux gives no
// program.
//
// Tested by: tests/unit/maps_slots_test.cc, also against the kernel.
#pragma once

#include <cstdint>

#include "exec/map.h"
#include "maps/slot_map.h"

namespace forager::maps {

class CgroupArrayMap final : public SlotMap {
 public:
  explicit CgroupArrayMap(exec::MapSpec spec) : SlotMap(std::move(spec)) {}

  // id 0 clears. 0 or -E2BIG.
  [[nodiscard]] int set(std::uint32_t index, std::uint64_t id);

  int update(const void* key, const void* value, std::uint64_t flags, unsigned cpu) override;
  int erase(const void* key) override;
  int read(const void* key, void* value, std::uint64_t flags) override;
  // The value is a descriptor: -EBADF if it is none of a cgroup's directory (version 2).
  int write(const void* key, const void* value, std::uint64_t flags) override;
};

}  // namespace forager::maps
