// SPDX-License-Identifier: Apache-2.0
//
// What a launch costs on the device by itself: an empty kernel, sent and awaited in the ways that OpenCL has for it.
// Whatever a batch of packets takes beyond that is ours.
//
// Tested by: nothing asserts figures.
#pragma once

#include <string>
#include <vector>

#include "bench/opencl/samples.h"
#include "forager/result.h"

namespace forager::bench {

struct LaunchFigure {
  std::string way;      // "finish", "flush_wait", ...
  unsigned groups = 0;  // work-groups, of one work-item each
  Spread us;            // from the call that sends it until the host knows that it is done
};

// Of the first device that there is. Errors: unsupported, where there is none; system, what OpenCL said.
[[nodiscard]] Result<std::vector<LaunchFigure>> measure_launches();

}  // namespace forager::bench
