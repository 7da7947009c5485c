// SPDX-License-Identifier: Apache-2.0
//
// RtlDevice: the Verilated device behind the Device contract.
//
// Packets go to the device's port where it can hold them as they are (XDP, one buffer, the usual headroom); others the
// host keeps, and the device asks for their bytes. A program whose results may depend on the order of packets has one
// in the device at a time, others as many as there are threads.
//
// After an error of run() what the device has of the batch is unknown: it takes no other.
//
// Tested by: tests/unit/rtl_device_test.cc, rtl_liar_test.cc.
#pragma once

#include <memory>

#include "exec/backend.h"
#include "sim/board/board.h"

namespace forager::jit::rtl {

[[nodiscard]] Result<std::unique_ptr<exec::Device>> make_device(const exec::DeviceOptions& options);
// On a board that is there already.
[[nodiscard]] std::unique_ptr<exec::Device> make_device(const exec::DeviceOptions& options,
                                                        std::unique_ptr<sim::Board> board);

}  // namespace forager::jit::rtl
