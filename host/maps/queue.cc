// SPDX-License-Identifier: Apache-2.0
//
// QUEUE: values, first in, first out (element_ring.h).
//
// Tested by: tests/unit/maps_values_test.cc, maps_values_concurrency_test.cc.
#include "maps/element_ring.h"

namespace forager::maps {

MapResult make_queue(exec::MapSpec spec, unsigned) {
  return make_element_ring(std::move(spec), ElementRing::Takes::oldest);
}

}  // namespace forager::maps
