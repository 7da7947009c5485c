// SPDX-License-Identifier: Apache-2.0
//
// CGROUP_STORAGE and PERCPU_CGROUP_STORAGE: values that programs see for the cgroup they run for (kernel/bpf/
// local_storage.c). Values come and go with what the program is attached to, and user space may read and change them
// but neither add nor delete any. Maps whose keys are ids alone share one value among attach types.
//
// There are no cgroups here, but owners: who runs a program for a cgroup makes a StorageOwner with the cookie that
// cgroup_owner_cookie() gives, and user space names it by id. Keys are a u64 id, or struct bpf_cgroup_storage_key.
//
// A per-CPU value is its CPUs' values one after the other, each rounded up to 8 bytes: LocalStorage::get gives the
// first one's address.
//
// Tested by: tests/unit/maps_storage_test.cc.
#pragma once

#include <cstdint>

#include "maps/owner_values.h"
#include "maps/types.h"

namespace forager::maps {

// Names what a program runs for: a cgroup by its id, below 2^56, and the attach type.
[[nodiscard]] constexpr std::uint64_t cgroup_owner_cookie(std::uint64_t cgroup_id, std::uint8_t attach_type) {
  return std::uint64_t{attach_type} << 56 | cgroup_id;
}

class CgroupStorage final : public exec::Map, private exec::LocalStorage {
 public:
  CgroupStorage(exec::MapSpec spec, unsigned cpus) : Map(std::move(spec)), cpus_(cpus) { abilities_.storage = this; }
  [[nodiscard]] Result<> open() { return values_.open(exec::host_value_size(spec(), cpus_)); }

  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EOPNOTSUPP; }
  int erase(const void*) override;
  int next_key(const void* key, void* next) override;
  int read(const void* key, void* value, std::uint64_t flags) override;
  int write(const void* key, const void* value, std::uint64_t flags) override;
  [[nodiscard]] exec::MapUsage usage() const override;

 private:
  void* get(const exec::StorageOwner& owner, const void* initial, std::uint64_t flags) override;
  int erase(const exec::StorageOwner& owner) override { return values_.erase(cookie_of(owner)); }

  // Of a key as user space gives it; 0, which is no owner's, if it is out of range.
  [[nodiscard]] std::uint64_t cookie_of(const void* key) const;
  [[nodiscard]] std::uint64_t cookie_of(const exec::StorageOwner& owner) const;

  unsigned cpus_;
  mutable OwnerValues values_;  // sweeps when it counts
};

}  // namespace forager::maps
