// SPDX-License-Identifier: Apache-2.0
//
// Staging: frames on their way to the device and back. Each stands in the packets' buffer as it stands in its own, so
// that offsets are the same on both sides.
//
// Tested by: tests/unit/opencl_device_test.cc.
#pragma once

#include <span>
#include <vector>

#include "exec/frame.h"
#include "jit-backends/opencl/batch.h"
#include "verifier/verify.h"

namespace forager::jit::opencl {

// What packets of a program need of their frames.
struct FrameUse {
  bool moves_edges = false;  // head- and tailroom travel too
  bool is_xdp = true;
};

// So many bytes of the buffer a frame takes.
[[nodiscard]] std::size_t staged_bytes(const exec::Frame& frame, const FrameUse& use);
void stage(exec::Frame& frame, const FrameUse& use, std::size_t base, std::span<std::byte> packets,
           PacketRecord& record);
// Gives the frame its bytes and edges. False if the device tells of edges that no frame has: nothing is taken then.
[[nodiscard]] bool unstage(exec::Frame& frame, const FrameUse& use, std::span<const std::byte> packets,
                           const PacketRecord& record);

}  // namespace forager::jit::opencl
