// SPDX-License-Identifier: Apache-2.0
//
// The edges of a packet, which the device moves by the rules of Frame::adjust_*.
//
// Tested by: tests/unit/rtl_device_test.cc, rtl_liar_test.cc.
#pragma once

#include <cstdint>

#include "exec/frame.h"

namespace forager::jit::rtl {

// Makes a frame's edges those of the device. Errors: bug for edges that no packet can have, EIO.
[[nodiscard]] Result<> set_edges(exec::Frame& frame, std::uint32_t meta, std::uint32_t data, std::uint32_t end);

}  // namespace forager::jit::rtl
