// SPDX-License-Identifier: Apache-2.0
//
// The OpenCL backend: verified programs as kernels of OpenCL C, for whatever device a driver of the machine's has.
//
// Tested by: tests/unit/opencl_*_test.cc, tests/golden, conformance vectors.
#pragma once

#include "exec/backend.h"

namespace forager::jit::opencl {

[[nodiscard]] const exec::Backend& backend();

}  // namespace forager::jit::opencl
