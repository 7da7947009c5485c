// SPDX-License-Identifier: Apache-2.0
#include "bench/opencl/roofline.h"
namespace forager::bench {
int print_roofline(const std::deque<Pair>&, int, char**) { return 1; }
}  // namespace forager::bench
