// SPDX-License-Identifier: Apache-2.0
//
// In place of dpdk_contender.cc where DPDK is not installed.
#include "bench/peers/contender.h"

namespace forager::bench {

ContenderResult make_dpdk_contender(const ExampleProgram&) {
  return fail(ErrorKind::unsupported, EOPNOTSUPP, "built without DPDK (Debian: libdpdk-dev)");
}

}  // namespace forager::bench
