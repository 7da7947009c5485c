// SPDX-License-Identifier: Apache-2.0
//
// OpenclDevice: an OpenCL device behind the Device contract.
//
// A lane is a work-item that takes every nth packet. A program whose results may depend on the order of packets runs on
// one lane, unless the user does without order (exec::Order); others on as many as the device has
// compute units. Maps stand in device memory while a batch runs (mirror.h).
//
// Tested by: tests/unit/opencl_device_test.cc.
#pragma once

#include <memory>

#include "exec/backend.h"

namespace forager::jit::opencl {

[[nodiscard]] Result<std::unique_ptr<exec::Device>> make_device(const exec::DeviceOptions& options);

}  // namespace forager::jit::opencl
