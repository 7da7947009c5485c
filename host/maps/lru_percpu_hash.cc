// SPDX-License-Identifier: Apache-2.0
//
// LRU_PERCPU_HASH: keys with one value for each CPU, of which the coldest makes room for a new one (lru_table.h).
//
// Tested by: tests/unit/maps_lru_test.cc, maps_model_test.cc, maps_kernel_test.cc, maps_concurrency_test.cc.
#include "maps/percpu_hash.h"

namespace forager::maps {

MapResult make_lru_percpu_hash(exec::MapSpec spec, unsigned cpus) {
  if ((spec.flags & kNoCommonLru) != 0) spec.max_entries = round_to_cpus(spec.max_entries, cpus);
  return make_percpu_hash_map<LruTable>(std::move(spec), cpus);
}

}  // namespace forager::maps
