// SPDX-License-Identifier: Apache-2.0
//
// PERCPU_HASH: at most max_entries keys, each with one value for each CPU.
//
// Tested by: tests/unit/maps_model_test.cc, maps_kernel_test.cc, maps_concurrency_test.cc.
#include "maps/percpu_hash.h"

namespace forager::maps {

MapResult make_percpu_hash(exec::MapSpec spec, unsigned cpus) {
  return make_percpu_hash_map<BoundedTable>(std::move(spec), cpus);
}

}  // namespace forager::maps
