// SPDX-License-Identifier: Apache-2.0
//
// SK_STORAGE: a value for each socket, that goes with the socket (net/core/bpf_sk_storage.c). Programs and bpf(2) both
// come by LocalStorage; bpf(2) resolves the fd that is the key, so that the operations by key know no socket.
//
// Tested by: tests/unit/maps_storage_test.cc.
#include <linux/bpf.h>

#include <cerrno>

#include "maps/attributes.h"
#include "maps/owner_values.h"
#include "maps/storage_attributes.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

class SkStorage final : public exec::Map, private exec::LocalStorage {
 public:
  explicit SkStorage(exec::MapSpec spec) : Map(std::move(spec)) { abilities_.storage = this; }
  [[nodiscard]] Result<> open() { return values_.open(spec().value_size); }

  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EOPNOTSUPP; }
  int erase(const void*) override { return -EBADF; }
  int next_key(const void*, void*) override { return -exec::kNotSupported; }
  int read(const void*, void*, std::uint64_t) override { return -EBADF; }
  int write(const void*, const void*, std::uint64_t) override { return -EBADF; }

  [[nodiscard]] exec::MapUsage usage() const override {
    exec::MapUsage usage = values_.usage();
    usage.bytes += sizeof *this;
    return usage;
  }

 private:
  void* get(const exec::StorageOwner& owner, const void* initial, std::uint64_t flags) override {
    if (flags > BPF_LOCAL_STORAGE_GET_F_CREATE) return nullptr;
    return flags == 0 ? values_.find(owner.cookie) : values_.find_or_make(owner, initial);
  }
  int erase(const exec::StorageOwner& owner) override { return values_.erase(owner.cookie); }

  mutable OwnerValues values_;  // sweeps when it counts
};

}  // namespace

MapResult make_sk_storage(exec::MapSpec spec, unsigned) {
  const auto checked = check_local_storage(spec);
  return open_map<SkStorage>(checked, std::move(spec));
}

}  // namespace forager::maps
