// SPDX-License-Identifier: Apache-2.0
//
// Buckets: maps whose keys stand in numbered buckets, for whoever takes them bucket by bucket. Linux's batch commands
// do, and their cursor is the number of a bucket (kernel/bpf/hashtab.c __htab_map_lookup_and_delete_batch).
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
  [[nodiscard]] virtual std::uint32_t buckets() const = 0;
  // The bucket's keys at one moment, one behind the other in `keys`, in place of what stood there. Their number.
  [[nodiscard]] virtual std::uint32_t keys_in(std::uint32_t bucket, std::vector<std::byte>& keys) = 0;
};

// Those of a map on a HashTable.
class TableBuckets : public Buckets {
 public:
  [[nodiscard]] std::uint32_t buckets() const final { return key_table().buckets(); }
  std::uint32_t keys_in(std::uint32_t bucket, std::vector<std::byte>& keys) final {
    return key_table().keys_in(bucket, keys);
  }

 private:
  [[nodiscard]] virtual const HashTable& key_table() const = 0;
};

}  // namespace forager::maps
