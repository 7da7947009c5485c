// SPDX-License-Identifier: Apache-2.0
//
// OwnerValues: a value for each owner (a socket, a cgroup), for as long as the owner lives. What SK_STORAGE and
// CGROUP_STORAGE are made of (kernel/bpf/bpf_local_storage.c, local_storage.c).
//
// Values stand in a HashTable by the owner's cookie, so that finding one takes no lock and its memory stays readable
// after its owner is gone: programs work on values in place. Linux keeps such memory for readers by RCU; here a value's
// place is used again, for another owner, and never given back while the map lives.
//
// Nobody tells when an owner ends. Whoever asks for a cookie holds its owner, and cookies are used once, so that no one
// meets a dead owner's value; they are swept out whenever their number may have doubled, or the table is full. Memory
// so is at most twice what the living need. Linux bounds it by what memory each socket may use; here by kMaxOwners and
// kMaxBytes for a map.
//
// Tested by: tests/unit/maps_storage_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "exec/map.h"
#include "maps/hash_table.h"

namespace forager::maps {

class OwnerValues {
 public:
  static constexpr std::uint64_t kMaxOwners = 1U << 18, kMaxBytes = 1U << 30;

  // `bytes` of each value, `most` of all. ENOMEM.
  [[nodiscard]] Result<> open(std::uint64_t bytes, std::uint64_t most = kMaxBytes);

  // The owner's value in place, null if there is none.
  [[nodiscard]] std::byte* find(std::uint64_t cookie) const {
    const auto hit = table_.find(&cookie);
    return hit ? table_.value(hit.node) : nullptr;
  }
  // The same, made of `initial` (null: zeros) where there is none; null if the bounds are reached or the owner is gone.
  [[nodiscard]] std::byte* find_or_make(const exec::StorageOwner& owner, const void* initial);
  // 0 or -ENOENT.
  [[nodiscard]] int erase(std::uint64_t cookie);
  // The least cookie of a living owner above this one, or of all; 0 if there is none.
  [[nodiscard]] std::uint64_t next(std::uint64_t cookie) const;

  [[nodiscard]] exec::MapUsage usage();

 private:
  using Owners = std::map<std::uint64_t, std::weak_ptr<const void>>;

  void sweep();

  std::uint64_t bytes_ = 0;
  std::uint64_t capacity_ = 0;
  HashTable table_;
  mutable std::mutex mutex_;  // of what follows, and of changes to the table
  Owners owners_;
  std::size_t sweep_at_ = kFirstSweep;
  static constexpr std::size_t kFirstSweep = 64;
};

}  // namespace forager::maps
