// SPDX-License-Identifier: Apache-2.0
//
// make_NAME() of every row of types.def: checks the attributes that are its type's own, and makes the map.
#pragma once

#include <memory>

#include "exec/map.h"
#include "forager/result.h"

namespace forager::maps {

using MapResult = Result<std::shared_ptr<exec::Map>>;

#define FORAGER_MAP_TYPE(name) [[nodiscard]] MapResult make_##name(exec::MapSpec spec, unsigned cpus);
#include "maps/types.def"

}  // namespace forager::maps
