// SPDX-License-Identifier: Apache-2.0
//
// What the element commands of bpf(2) do with each type of map.
//
// To most maps an element is a key and the bytes of a value, and exec::Map does the work. Others take descriptors in
// and give ids out (programs, maps, sockets), or have values without keys. Each such kind is a row of functions, and
// every map type stands with one of them, as kernel/bpf/syscall.c does it in bpf_map_copy_value, bpf_map_update_value
// and map_delete_elem.
//
// Tested by: tests/unit/syscall_map_test.cc, syscall_element_kinds_test.cc, both on the kernel too.
#pragma once

#include <cstddef>
#include <cstdint>

#include "syscall/commands.h"

namespace forager::syscall {

// Keys have spec().key_size bytes, or are null where that is 0; values have user_value_size() bytes. `flags` are the
// user's and checked for BPF_F_LOCK only. Results: 0 or a negative errno.
struct ElementKind {
  using Read = long(const Call&, runtime::MapObject&, const std::byte* key, std::byte* value, std::uint64_t flags);
  using Write = long(const Call&, runtime::MapObject&, const std::byte* key, const std::byte* value,
                     std::uint64_t flags);
  using Erase = long(const Call&, runtime::MapObject&, const std::byte* key);

  Read* read;
  Write* write;
  Erase* erase;
  Read* take;             // null: -ENOTSUPP
  bool value_in = false;  // a lookup asks about the value that the user gives
};

// Which batch commands a type has.
enum BatchSet : unsigned { kNoBatch = 0, kLookupBatch = 1, kTakeBatch = 2, kUpdateBatch = 4, kDeleteBatch = 8 };

struct ElementRow {
  const ElementKind* kind;
  unsigned batch = kNoBatch;  // of BatchSet
  bool per_cpu = false;
  bool in_buckets = false;  // batches go bucket by bucket, and their cursor is a bucket's number
};

[[nodiscard]] const ElementRow& element_row(isa::MapType type);

// Bytes of one value as the user passes it.
[[nodiscard]] inline std::size_t user_value_size(const Call& call, const runtime::MapObject& map,
                                                 const ElementRow& row) {
  const std::uint32_t size = map.spec().value_size;
  return row.per_cpu ? std::size_t{(size + 7U) & ~7U} * call.runtime().environment.cpus : size;
}

// -EINVAL for flags outside `allowed`, and for BPF_F_LOCK where values have no lock (bpf_map_check_op_flags).
[[nodiscard]] long check_element_flags(const runtime::MapObject& map, std::uint64_t flags, std::uint64_t allowed);

}  // namespace forager::syscall
