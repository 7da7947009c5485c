// SPDX-License-Identifier: Apache-2.0
//
// SOCKMAP: sockets by index, for bpf_sk_redirect_map and bpf_msg_redirect_map (net/core/sock_map.c).
//
// Tested by: tests/unit/maps_sockets_test.cc.
#include "maps/socket_array.h"

namespace forager::maps {

MapResult make_sockmap(exec::MapSpec spec, unsigned) {
  return make_socket_array(std::move(spec), {.past_end = EINVAL, .empty = EINVAL});
}

}  // namespace forager::maps
