// SPDX-License-Identifier: Apache-2.0
//
// Where the OpenCL backend keeps what it makes: binaries in $XDG_CACHE_HOME/forager/opencl, or ~/.cache/forager/opencl,
// and sources where the user asks for them; and what the environment says of drivers.
//
// Tested by: tests/cli/cli_test.sh.
#pragma once

#include <string>

namespace forager::cli {

// `sources`: the folder of generated kernels; empty: they are not kept.
void place_opencl_files(std::string sources = {});

}  // namespace forager::cli
