// SPDX-License-Identifier: Apache-2.0
//
// The attributes that hash maps share (htab_map_alloc_check and htab_map_alloc in kernel/bpf/hashtab.c).
#pragma once

#include <bit>
#include <cerrno>

#include "maps/attributes.h"
#include "maps/hash_table.h"

namespace forager::maps {

inline constexpr std::uint64_t kKernelElement = 48;         // sizeof(struct htab_elem)
inline constexpr std::uint64_t kMaxHashEntries = 1U << 27;  // so that buckets of 16 bytes fit 32 bits of size

// `bytes_per_entry` is what the map needs for each, for maps that Linux allocates whole.
[[nodiscard]] inline Result<> check_hash(const program::MapSpec& spec, std::uint64_t bytes_per_entry) {
  const bool whole = (spec.flags & kNoPrealloc) == 0;
  return Checks(spec)
      .at_least("key_size", spec.key_size, 1)
      .at_least("value_size", spec.value_size, 1)
      .at_most("key_size + value_size", std::uint64_t{spec.key_size} + spec.value_size,
               kMaxKmalloc - kKernelElement - 1, E2BIG)
      .at_most("max_entries", spec.max_entries, kMaxHashEntries, E2BIG)
      .allocates(whole ? spec.max_entries * bytes_per_entry : 0)
      .done();
}

[[nodiscard]] inline HashShape hash_shape(const program::MapSpec& spec) {
  return {.key_size = spec.key_size,
          .value_size = spec.value_size,
          .max_entries = spec.max_entries,
          .zero_seed = (spec.flags & kZeroSeed) != 0};
}

}  // namespace forager::maps
