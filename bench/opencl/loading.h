// SPDX-License-Identifier: Apache-2.0
//
// What it costs to load a program: from the device that is open to the first packet's verdict (load, bind, run), with
// what is kept on disk and without. There are two caches, ours (jit::opencl::set_places()) and PoCL's own
// (POCL_CACHE_DIR), and a driver keeps things in memory besides, so that each case is a process of its own with
// temporary folders. Milliseconds:
//
//   driver   opening the device in a new process
//   first    both caches empty
//   again    at once, by another device of the same process
//   second   a new process, both caches full: the load of a cached program
//   ours     a new process, PoCL's cache empty
//   pocl     a new process, ours empty
//
// Tested by: nothing asserts figures.
#pragma once

#include <map>
#include <string>

#include "bench/opencl/traffic.h"

namespace forager::bench {

using LoadFigure = std::map<std::string, double>;
// Errors: system, if a process or a folder cannot be made; bug, if one fails.
[[nodiscard]] Result<LoadFigure> measure_loading(const ExampleProgram& program);

// What such a process does: prints "driver", "load" and "again", a line each. The exit status.
[[nodiscard]] int load_for_parent(const Pair& pair, const std::string& cache);

}  // namespace forager::bench
