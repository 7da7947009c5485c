// SPDX-License-Identifier: Apache-2.0
//
// Buckets: what the maps are whose keys stand in a HashTable, for whoever takes them bucket by bucket. Linux's batch
// commands do, and their cursor is the number of a bucket (kernel/bpf/hashtab.c __htab_map_lookup_and_delete_batch).
//
// Tested by: tests/unit/syscall_batch_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "maps/hash_table.h"

namespace forager::maps {

class Buckets {
 public:
  virtual ~Buckets() = default;
  [[nodiscard]] std::uint32_t buckets() { return key_table().buckets(); }
  // The bucket's keys at one moment, one behind the other in `keys`, in place of what stood there. Their number.
  [[nodiscard]] std::uint32_t keys_in(std::uint32_t bucket, std::vector<std::byte>& keys) {
    return key_table().keys_in(bucket, keys);
  }

 private:
  [[nodiscard]] virtual HashTable& key_table() = 0;
};

}  // namespace forager::maps
