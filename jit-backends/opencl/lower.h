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

// A program of a kernel, and which number each of its maps has there.
struct Member {
  VerifiedRef program;
  Code code;
  std::vector<std::uint32_t> numbers;
};

// The first runs; a tail call of program n is a table's entry n + 1 (cl/programs.cl).
[[nodiscard]] KernelSource lower_to_c(std::span<const Member> members);

// Steps of a program that the device takes. Errors: unsupported (refusals.h), limit.
[[nodiscard]] Result<Code> code_of(const verifier::VerifiedProgram& program, const exec::CompileOptions& options);

// Errors: as of code_of().
[[nodiscard]] Result<std::shared_ptr<const OpenclImage>> compile(const VerifiedRef& program,
                                                                 const exec::CompileOptions& options);

}  // namespace forager::jit::opencl
