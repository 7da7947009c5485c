// SPDX-License-Identifier: Apache-2.0
//
// HASH_OF_MAPS: maps by any key (kernel/bpf/hashtab.c, map_in_map.c). As ARRAY_OF_MAPS, an update of a key that is
// there replaces its map in place: a lookup meanwhile gets the old map or the new one.
//
// Tested by: tests/unit/maps_of_maps_test.cc, maps_objects_concurrency_test.cc.
#include <cerrno>
#include <cstring>

#include "maps/buckets.h"
#include "maps/hash_attributes.h"
#include "maps/inner_maps.h"
#include "maps/object_hash.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

class HashOfMaps final : public exec::Map, public Buckets, private exec::MapTable {
 public:
  explicit HashOfMaps(exec::MapSpec spec) : Map(std::move(spec)) { abilities_.maps = this; }
  [[nodiscard]] Result<> open() { return maps_.open(hash_shape(spec())); }

  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EOPNOTSUPP; }
  int erase(const void* key) override { return maps_.erase(key); }
  int next_key(const void* key, void* next) override { return maps_.next_key(key, next); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    const exec::MapSlot slot = maps_.get(key);
    if (slot.map == nullptr) return -ENOENT;
    std::memcpy(value, &slot.id, sizeof slot.id);
    return 0;
  }

  int write(const void*, const void*, std::uint64_t) override { return -EBADF; }

  [[nodiscard]] std::uint32_t buckets() const override { return maps_.buckets(); }
  std::uint32_t keys_in(std::uint32_t bucket, std::vector<std::byte>& keys) override {
    return maps_.keys_in(bucket, keys);
  }

  [[nodiscard]] std::optional<std::uint64_t> generation() const override { return maps_.changes(); }
  [[nodiscard]] exec::MapUsage usage() const override { return {maps_.used(), maps_.bytes() + sizeof *this}; }

 private:
  int set(const void* key, exec::MapSlot slot, std::uint64_t flags) override {
    if (const int error = check_slot(spec(), slot); error != 0) return error;
    return maps_.set(key, std::move(slot), flags);
  }
  [[nodiscard]] exec::MapSlot get(const void* key) const override { return maps_.get(key); }

  ObjectHash<exec::MapSlot> maps_;
};

}  // namespace

MapResult make_hash_of_maps(exec::MapSpec spec, unsigned) {
  const std::uint64_t bytes = kKernelElement + round_up_words(spec.key_size) + sizeof(void*);
  auto checked = Checks(spec).equal("value_size", spec.value_size, 4).done();
  if (checked) checked = check_hash(spec, bytes);
  if (checked) checked = check_inner(spec);
  return open_map<HashOfMaps>(checked, std::move(spec));
}

}  // namespace forager::maps
