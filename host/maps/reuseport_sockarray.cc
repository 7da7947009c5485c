// SPDX-License-Identifier: Apache-2.0
//
// REUSEPORT_SOCKARRAY: sockets by index, for bpf_sk_select_reuseport (kernel/bpf/reuseport_array.c).
//
// Tested by: tests/unit/maps_sockets_test.cc.
#include "maps/socket_array.h"

namespace forager::maps {

MapResult make_reuseport_sockarray(exec::MapSpec spec, unsigned) {
  return make_socket_array(std::move(spec), {.past_end = E2BIG, .empty = ENOENT});
}

}  // namespace forager::maps
