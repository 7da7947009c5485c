// SPDX-License-Identifier: Apache-2.0
//
// The ways to make a map, whatever its type.
//
// Tested by: tests/unit/maps_registry_test.cc, against the kernel too.
#pragma once

#include <memory>

#include "exec/map.h"
#include "forager/result.h"

namespace forager::maps {

// `cpus` is the number of possible CPUs, lanes of devices included: what lookup()'s `cpu` stays below, and the number
// of values that per-CPU maps have. The map's spec() is the one asked for, or as the kernel corrects it.
//
// Errors, as Linux's map_alloc_check and map_alloc of the type give them: input EINVAL for attributes that make no
// sense, limit E2BIG and ENOMEM for sizes, system ENOMEM, EMFILE or ENFILE if the machine refuses; unsupported EINVAL,
// with the reason of the row in isa/maps.def, for types that are not built.
[[nodiscard]] Result<std::shared_ptr<exec::Map>> create(exec::MapSpec spec, unsigned cpus);

// The same, but a type that is not built gives a map without contents: it has its spec, and every operation on it
// answers EOPNOTSUPP. Good for verifying programs that use it, and for nothing else. Errors as above for its
// attributes; unsupported for the types that need more than attributes (struct_ops, arena).
[[nodiscard]] Result<std::shared_ptr<exec::Map>> declare(exec::MapSpec spec, unsigned cpus);

}  // namespace forager::maps
