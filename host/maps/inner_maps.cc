// SPDX-License-Identifier: Apache-2.0
#include "maps/inner_maps.h"

#include <linux/bpf.h>

#include <cerrno>

namespace forager::maps {

using isa::MapType;

Result<> check_inner(const exec::MapSpec& outer) {
  if (outer.inner == nullptr) return fail(ErrorKind::input, EINVAL, "a map of maps needs an inner map");
  switch (outer.inner->type) {
    case MapType::array_of_maps:
    case MapType::hash_of_maps:
      return fail(ErrorKind::input, EINVAL, "a map of maps of maps");
    case MapType::prog_array:
    case MapType::cgroup_storage:
    case MapType::percpu_cgroup_storage:
    case MapType::struct_ops:
      return fail(ErrorKind::input, exec::kNotSupported, "maps of the inner map's type cannot stand in a map");
    default:
      return {};
  }
}

bool alike(const exec::MapSpec& example, const exec::MapSpec& map) {
  const bool counts =
      (example.type == MapType::array && (example.flags & BPF_F_INNER_MAP) == 0) || example.type == MapType::xskmap;
  return example.type == map.type && example.key_size == map.key_size && example.value_size == map.value_size &&
         example.flags == map.flags && example.fields == map.fields &&
         (!counts || example.max_entries == map.max_entries);
}

int check_slot(const exec::MapSpec& outer, const exec::MapSlot& slot) {
  return slot.map != nullptr && outer.inner != nullptr && alike(*outer.inner, slot.map->spec()) ? 0 : -EINVAL;
}

}  // namespace forager::maps
