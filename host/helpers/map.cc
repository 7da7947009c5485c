// SPDX-License-Identifier: Apache-2.0
//
// Map access. The engine has checked keys and values for the map's sizes.
#include "helpers/functions.h"

namespace forager::helpers {

u64 map_lookup_elem(RunContext& run, u64 a, u64 key, u64, u64, u64) {
  return reinterpret_cast<u64>(map(a).lookup(pointer<void>(key), run.cpu));
}

u64 map_update_elem(RunContext& run, u64 a, u64 key, u64 value, u64 flags, u64) {
  return result(map(a).update(pointer<void>(key), pointer<void>(value), flags, run.cpu));
}

u64 map_delete_elem(RunContext&, u64 a, u64 key, u64, u64, u64) { return result(map(a).erase(pointer<void>(key))); }

u64 map_lookup_percpu_elem(RunContext& run, u64 a, u64 key, u64 cpu, u64, u64) {
  const auto lane = static_cast<std::uint32_t>(cpu);
  if (lane >= run.environment->cpus) return 0;
  return reinterpret_cast<u64>(map(a).lookup(pointer<void>(key), lane));
}

}  // namespace forager::helpers
