// SPDX-License-Identifier: Apache-2.0
//
// Staging of what the stack knows about a packet: the fields of its __sk_buff and exec::Skb, on their way to the device
// and back; and clones, which come back only.
//
// Tested by: tests/unit/opencl_skb_test.cc, opencl_skb_sizes_test.cc.
#pragma once

#include <span>

#include "exec/frame.h"
#include "exec/task.h"
#include "jit-backends/opencl/batch.h"
#include "jit-backends/opencl/skb_use.h"

namespace forager::jit::opencl {

// Makes a frame as large as the program's helpers can make its packet. It may move.
void give_room(exec::Frame& frame, const SkbUse& use);

// Bytes of the packets' buffer for a frame's clones.
[[nodiscard]] std::size_t clone_bytes(const exec::Frame& frame, const SkbUse& use);

// `current`: who runs, of frames that do not say whose they are.
[[nodiscard]] SkbRecord stage_skb(const exec::Frame& frame, const SkbUse& use, std::uint64_t clones_at,
                                  const exec::Task& current);
void unstage_skb(exec::Frame& frame, const SkbRecord& record);

[[nodiscard]] TunnelRecord stage_tunnel(const exec::Frame& frame);
void unstage_tunnel(exec::Frame& frame, const TunnelRecord& record);

// Gives the frame what it sent on its way. `clones`: what clone_bytes() asked for. False if the device tells of clones
// that no frame has.
[[nodiscard]] bool take_clones(exec::Frame& frame, const SkbRecord& record, std::span<const std::byte> clones);

}  // namespace forager::jit::opencl
