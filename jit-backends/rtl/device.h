// SPDX-License-Identifier: Apache-2.0
//
// RtlDevice: the Verilated device behind the Device contract.
//
// Packets go to the device's port where it can hold them as they are (XDP, one buffer, the usual headroom); others the
// host keeps, and the device asks for their bytes. A program whose results may depend on the order of packets has one
// in the device at a time, others as many as there are threads.
//
// Tested by: tests/unit/rtl_device_test.cc.
#pragma once

#include <memory>

#include "exec/backend.h"

namespace forager::jit::rtl {

[[nodiscard]] Result<std::unique_ptr<exec::Device>> make_device(const exec::DeviceOptions& options);

}  // namespace forager::jit::rtl
