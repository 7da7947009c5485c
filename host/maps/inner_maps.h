// SPDX-License-Identifier: Apache-2.0
//
// What ARRAY_OF_MAPS and HASH_OF_MAPS ask of the maps they hold (kernel/bpf/map_in_map.c).
//
// A program that uses an inner map was verified with the example that the outer map was made with. So only maps like it
// may stand in a slot, and it is here, where maps come in, that this is made sure.
//
// Tested by: tests/unit/maps_of_maps_test.cc, against the kernel too.
#pragma once

#include "exec/map.h"
#include "forager/result.h"

namespace forager::maps {

// The example, as Linux's bpf_map_meta_alloc judges it: EINVAL for none and for a map of maps, ENOTSUPP for types that
// are bound to their programs or cgroups.
[[nodiscard]] Result<> check_inner(const exec::MapSpec& outer);

// Whether a map may stand where `example` was given (map_meta_equal of the example's type).
[[nodiscard]] bool alike(const exec::MapSpec& example, const exec::MapSpec& map);

// What a slot of a map of maps is filled with: 0, or -EINVAL for no map, or for one that is not like the example.
[[nodiscard]] int check_slot(const exec::MapSpec& outer, const exec::MapSlot& slot);

}  // namespace forager::maps
