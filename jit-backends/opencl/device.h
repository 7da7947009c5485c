// SPDX-License-Identifier: Apache-2.0
//
// OpenclDevice: an OpenCL device behind the Device contract.
//
// A lane is a work-item that takes some of a batch's packets (lanes.h). A program whose results may depend on the order
// of packets runs on one lane, unless the user does with the order of flows, or without (exec::Order); others on as
// many as the device has compute units. Maps stand where programs run while a batch does (mirror.h).
//
// Tested by: tests/unit/opencl_device_test.cc.
#pragma once

#include <memory>

#include "exec/backend.h"

namespace forager::jit::opencl {

[[nodiscard]] Result<std::unique_ptr<exec::Device>> make_device(const exec::DeviceOptions& options);

}  // namespace forager::jit::opencl
