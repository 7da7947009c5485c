// SPDX-License-Identifier: Apache-2.0
//
// Lookups of hash maps as compiled programs call them (exec::Map::direct_lookup): one function for each usual key size,
// without a virtual call and with the hash of that size.
//
// Tested by: tests/unit/maps_direct_test.cc.
#pragma once

#include <cstdint>
#include <utility>

#include "exec/map.h"
#include "maps/hash_table.h"

namespace forager::maps {

// 0: keys of any size.
template <std::uint32_t kKeySize>
[[nodiscard]] HashTable::Hit find_direct(const HashTable& table, const void* key) {
  if constexpr (kKeySize == 0) {
    return table.find(key);
  } else {
    return table.find_sized<kKeySize>(key);
  }
}

// A map has a member `template <uint32_t> void* look(const void* key, unsigned cpu)`, which is its lookup().
template <class OneMap, std::uint32_t kKeySize>
void* look_directly(void* map, const void* key, unsigned cpu) {
  return static_cast<OneMap*>(map)->template look<kKeySize>(key, cpu);
}

// `table`: where values stand in its nodes; null where they do not.
template <class OneMap>
[[nodiscard]] exec::DirectLookup direct_by_key_size(OneMap& map, const HashTable* table) {
  using Function = decltype(exec::DirectLookup::function);
  constexpr std::pair<std::uint32_t, Function> kSized[] = {
      {4, look_directly<OneMap, 4>},   {6, look_directly<OneMap, 6>},   {8, look_directly<OneMap, 8>},
      {12, look_directly<OneMap, 12>}, {13, look_directly<OneMap, 13>}, {16, look_directly<OneMap, 16>},
      {20, look_directly<OneMap, 20>}, {24, look_directly<OneMap, 24>}, {32, look_directly<OneMap, 32>},
      {36, look_directly<OneMap, 36>}, {37, look_directly<OneMap, 37>}, {40, look_directly<OneMap, 40>},
      {44, look_directly<OneMap, 44>}, {48, look_directly<OneMap, 48>},
  };
  Function function = look_directly<OneMap, 0>;
  for (const auto& [size, sized] : kSized) {
    if (size == map.spec().key_size) function = sized;
  }
  return {.kind = exec::DirectLookup::Kind::function,
          .function = function,
          .object = &map,
          .walk = table == nullptr ? nullptr : table->in_place()};
}

}  // namespace forager::maps
