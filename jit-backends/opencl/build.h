// SPDX-License-Identifier: Apache-2.0
//
// From source to what the device runs, by the driver's compiler; and the cache of that on disk.
//
// A file of the cache is named by the hash of all that its contents depend on (source, options, device, driver), and
// holds that hash and one of the binary. What does not agree with them, or is not taken by the driver, is built anew.
//
// Tested by: tests/unit/opencl_build_test.cc.
#pragma once

#include <string>

#include "jit-backends/opencl/driver.h"
#include "jit-backends/opencl/image.h"

namespace forager::jit::opencl {

// Folders, empty: none. For the whole process, to be set before devices are looked for, and load programs.
struct Places {
  std::string cache;    // of binaries
  std::string sources;  // where generated sources are left, PROGRAM.cl
  // Of the environment, which tells OpenCL's loader where drivers are: errors name it. Empty: none is set.
  std::string variable = {}, value = {};
};
void set_places(Places places);
[[nodiscard]] Places places();

struct Built {
  Binary binary;
  bool from_cache = false;
  std::string entry, key;  // of the cache; empty: there is none
};
// Errors: bug, with the place in the generated source, for what the driver's compiler does not take; system.
[[nodiscard]] Result<Built> build(const Driver& driver, const KernelSource& made, const std::string& options);

// Writes the cache's entry again: drivers that finish a kernel when it runs for the first time give more then.
void keep(const Built& built);

// One line of a compiler's log that says what is wrong, and where: "<source>:12:3: error: ...".
struct BuildError {
  unsigned line = 0, column = 0;  // 0: the log does not say
  std::string message;
};
[[nodiscard]] BuildError first_error(const std::string& log);

}  // namespace forager::jit::opencl
