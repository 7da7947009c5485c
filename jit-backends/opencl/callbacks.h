// SPDX-License-Identifier: Apache-2.0
//
// Which function of the program a helper calls back: OpenCL C has no pointers to functions.
//
// Tested by: tests/unit/opencl_callbacks_test.cc.
#pragma once

#include <cstdint>
#include <optional>

#include "program/program.h"

namespace forager::jit::opencl {

// The subprogram whose address stands in r2 at an instruction. Nothing if that is not plain to see: if the address came
// from elsewhere than the same block, and the program takes addresses of several functions.
[[nodiscard]] std::optional<std::uint32_t> callback_of(const program::Program& program, std::uint32_t at);

}  // namespace forager::jit::opencl
