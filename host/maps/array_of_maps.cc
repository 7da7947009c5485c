// SPDX-License-Identifier: Apache-2.0
//
// ARRAY_OF_MAPS: maps by index (kernel/bpf/arraymap.c, map_in_map.c). The host writes a map's fd, which bpf(2) resolves
// before it calls MapTable::set, and reads its id. Programs reach a slot through MapTable::get, which hands out a
// reference: the map they use stays, whatever becomes of the slot.
//
// Tested by: tests/unit/maps_of_maps_test.cc, maps_objects_concurrency_test.cc.
#include "maps/inner_maps.h"
#include "maps/object_array.h"
#include "maps/types.h"

namespace forager::maps {
namespace {

class ArrayOfMaps final : public ObjectArray<exec::MapSlot, &exec::MapSlot::map>, private exec::MapTable {
 public:
  explicit ArrayOfMaps(exec::MapSpec spec) : ObjectArray(std::move(spec)) { abilities_.maps = this; }

 private:
  int set(const void* key, exec::MapSlot slot, std::uint64_t flags) override {
    if (flags != BPF_ANY) return -EINVAL;
    if (index_of(key) >= spec().max_entries) return -E2BIG;
    if (const int error = check_slot(spec(), slot); error != 0) return error;
    return slots().set(index_of(key), std::move(slot));
  }
  [[nodiscard]] exec::MapSlot get(const void* key) const override { return slots().get(index_of(key)); }
};

}  // namespace

MapResult make_array_of_maps(exec::MapSpec spec, unsigned) {
  auto checked = check_object_array(spec);
  if (checked) checked = check_inner(spec);
  return open_map<ArrayOfMaps>(checked, std::move(spec));
}

}  // namespace forager::maps
