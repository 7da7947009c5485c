// SPDX-License-Identifier: Apache-2.0
//
// What every map shares whose keys are the indices below max_entries: reading an index, and iterating.
// Linux: array_map_get_next_key and its likes. A key out of range starts at 0; an index never goes away, so that
// iteration ends and misses nothing.
//
// Tested by: tests/unit/maps_model_test.cc.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace forager::maps {

[[nodiscard]] inline std::uint32_t index_of(const void* key) {
  std::uint32_t index = 0;
  std::memcpy(&index, key, sizeof index);
  return index;
}

[[nodiscard]] inline int next_index(const void* key, void* next, std::uint32_t max_entries) {
  const std::uint32_t index = key == nullptr ? max_entries : index_of(key);
  if (index == max_entries - 1) return -ENOENT;
  const std::uint32_t following = index >= max_entries ? 0 : index + 1;
  std::memcpy(next, &following, sizeof following);
  return 0;
}

// What an in-place update of an element that always exists may say: `flags` of BPF_ANY or BPF_EXIST, index in range.
[[nodiscard]] inline int check_index_update(std::uint32_t index, std::uint64_t flags, std::uint32_t max_entries) {
  constexpr std::uint64_t kNoExist = 1, kExist = 2;
  if (flags > kExist) return -EINVAL;
  if (index >= max_entries) return -E2BIG;
  return flags == kNoExist ? -EEXIST : 0;
}

}  // namespace forager::maps
