// SPDX-License-Identifier: Apache-2.0
//
// make_NAME() of every row of types.def: checks the attributes that are its type's own, and makes the map; and what
// most of them end with.
#pragma once

#include <memory>
#include <utility>

#include "exec/map.h"
#include "forager/result.h"

namespace forager::maps {

using MapResult = Result<std::shared_ptr<exec::Map>>;

#define FORAGER_MAP_TYPE(name) [[nodiscard]] MapResult make_##name(exec::MapSpec spec, unsigned cpus);
#include "maps/types.def"

// A map of this type, if its attributes were found good. Errors: those of the check, and of the map's open().
template <class Type, class... More>
[[nodiscard]] MapResult open_map(const Result<>& checked, exec::MapSpec spec, More... more) {
  if (!checked) return std::unexpected(checked.error());
  auto map = std::make_shared<Type>(std::move(spec), more...);
  if (auto opened = map->open(); !opened) return std::unexpected(opened.error());
  return map;
}

}  // namespace forager::maps
