// SPDX-License-Identifier: Apache-2.0
//
// The roofline: what a packet asks of a device, program by program, counted in the interpreter (profile.h), and what a
// device of given rates would need for it. Nothing of it is measured on a GPU: rates are parameters, and what they
// give is a model's figure.
//
// Tested by: nothing asserts figures.
#pragma once

#include <deque>

#include "bench/opencl/traffic.h"

namespace forager::bench {

// With the parameters that stand on the command line (NAME=VALUE); prints tables. The exit status.
[[nodiscard]] int print_roofline(const std::deque<Pair>& programs, int argc, char** argv);

}  // namespace forager::bench
