// SPDX-License-Identifier: Apache-2.0
//
// From steps (jit-backends/common/code.h) to OpenCL C: a function for each of the program's, and the kernel that runs
// it for one packet after another.
//
// Tested by: tests/unit/opencl_compile_test.cc, and everything that runs on the device.
#pragma once

#include "jit-backends/common/code.h"
#include "jit-backends/opencl/image.h"

namespace forager::jit::opencl {

[[nodiscard]] KernelSource lower_to_c(const Code& code);

// Errors: unsupported (refusals.h), limit.
[[nodiscard]] Result<std::shared_ptr<const OpenclImage>> compile(
    std::shared_ptr<const verifier::VerifiedProgram> program, const exec::CompileOptions& options);

}  // namespace forager::jit::opencl
