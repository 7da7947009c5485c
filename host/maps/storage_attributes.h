// SPDX-License-Identifier: Apache-2.0
//
// The attributes of maps that store values for owners (bpf_local_storage_map_alloc_check, cgroup_storage_map_alloc).
//
// Tested by: tests/unit/maps_storage_test.cc, against the kernel too.
#pragma once

#include <cerrno>

#include "maps/attributes.h"

namespace forager::maps {

inline constexpr std::uint64_t kMaxStorageValue = 0xffff - 128;  // BPF_LOCAL_STORAGE_MAX_VALUE_SIZE

[[nodiscard]] inline Result<> check_local_storage(const program::MapSpec& spec) {
  return Checks(spec)
      .equal("max_entries", spec.max_entries, 0)
      .equal("key_size", spec.key_size, 4)
      .at_least("value_size", spec.value_size, 1)
      .at_most("value_size", spec.value_size, kMaxStorageValue, E2BIG)
      .done();
}

// Keys are a cgroup's id, or struct bpf_cgroup_storage_key: that and an attach type.
[[nodiscard]] inline Result<> check_cgroup_storage(const program::MapSpec& spec, std::uint64_t most) {
  return Checks(spec)
      .require(spec.key_size == 8 || spec.key_size == 16, "key_size must be 8 or 16")
      .at_least("value_size", spec.value_size, 1)
      .at_most("value_size", spec.value_size, most, E2BIG)
      .equal("max_entries", spec.max_entries, 0)
      .done();
}

}  // namespace forager::maps
