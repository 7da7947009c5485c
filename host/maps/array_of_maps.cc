// SPDX-License-Identifier: Apache-2.0
//
// ARRAY_OF_MAPS: maps by index (kernel/bpf/arraymap.c, map_in_map.c). The host writes a map's fd and reads its id. An
// fd means nothing here, so bpf(2) resolves it and calls MapTable::set; write() knows no map and answers EBADF.
// Programs reach a slot through MapTable::get, which hands out a reference: the map they use stays, whatever becomes of
// the slot.
//
// Tested by: tests/unit/maps_of_maps_test.cc, maps_objects_concurrency_test.cc.
#include <linux/bpf.h>

#include "maps/array_keys.h"
#include "maps/attributes.h"
#include "maps/inner_maps.h"
#include "maps/object_slots.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

class ArrayOfMaps final : public exec::Map, private exec::MapTable {
 public:
  explicit ArrayOfMaps(exec::MapSpec spec) : Map(std::move(spec)) { abilities_.maps = this; }
  [[nodiscard]] Result<> open() { return slots_.open(spec().max_entries); }

  void* lookup(const void*, unsigned) override { return nullptr; }
  int update(const void*, const void*, std::uint64_t, unsigned) override { return -EOPNOTSUPP; }
  int erase(const void* key) override { return slots_.clear(index_of(key)); }
  int next_key(const void* key, void* next) override { return next_index(key, next, spec().max_entries); }

  int read(const void* key, void* value, std::uint64_t flags) override {
    if (flags != 0) return -EINVAL;
    const exec::MapSlot slot = slots_.get(index_of(key));
    if (slot.map == nullptr) return -ENOENT;
    std::memcpy(value, &slot.id, sizeof slot.id);
    return 0;
  }

  int write(const void* key, const void*, std::uint64_t flags) override {
    if (flags != BPF_ANY) return -EINVAL;
    return index_of(key) < spec().max_entries ? -EBADF : -E2BIG;
  }

  [[nodiscard]] exec::MapUsage usage() const override { return {slots_.used(), slots_.bytes() + sizeof *this}; }

 private:
  int set(const void* key, exec::MapSlot slot, std::uint64_t flags) override {
    if (flags != BPF_ANY) return -EINVAL;
    if (index_of(key) >= spec().max_entries) return -E2BIG;
    if (const int error = check_slot(spec(), slot); error != 0) return error;
    return slots_.set(index_of(key), std::move(slot));
  }
  [[nodiscard]] exec::MapSlot get(const void* key) const override { return slots_.get(index_of(key)); }

  ObjectSlots<exec::MapSlot> slots_;
};

}  // namespace

MapResult make_array_of_maps(exec::MapSpec spec, unsigned) {
  auto checked = Checks(spec)
                     .equal("key_size", spec.key_size, 4)
                     .equal("value_size", spec.value_size, 4)
                     .allocates(std::uint64_t{spec.max_entries} * sizeof(void*))
                     .done();
  if (checked) checked = check_inner(spec);
  if (!checked) return std::unexpected(checked.error());
  auto map = std::make_shared<ArrayOfMaps>(std::move(spec));
  if (auto opened = map->open(); !opened) return std::unexpected(opened.error());
  return map;
}

}  // namespace forager::maps
