// SPDX-License-Identifier: Apache-2.0
//
// Staging: frames on their way to the device and back. Where the device does not see them, each stands in the packets'
// buffer as it stands in its own, so that offsets are the same on both sides.
//
// Tested by: tests/unit/opencl_device_test.cc.
#pragma once

#include <span>
#include <vector>

#include "exec/frame.h"
#include "jit-backends/opencl/batch.h"
#include "jit-backends/opencl/skb_use.h"
#include "verifier/verify.h"

namespace forager::jit::opencl {

// What packets of a program need of their frames.
struct FrameUse {
  bool shared = false;       // the device sees frames where they are, and none travels
  bool direct = false;       // ... and their parts too: no record is made of them
  bool moves_edges = false;  // head- and tailroom travel too
  bool is_xdp = true;
  bool ports = true;                // ingress_ifindex and its like are read
  std::uint32_t most = UINT32_MAX;  // bytes from data() that the program may reach: no others travel
  SkbUse skb = {};                  // of programs that see a __sk_buff: all of the frame travels
};

// What comes back of a packet.
struct Returned {
  std::uint8_t done = kNotDone;
  PacketRecord record;                // the rest is there with kDoneMore
  SkbRecord skb;                      // of programs that see a __sk_buff
  TunnelRecord tunnel;                // ... and work with tunnels
  std::span<const std::byte> staged;  // its part of the packets' buffer
};

// Whatever packets of the program do, as the verifier's facts have it.
[[nodiscard]] FrameUse use_of_frames(const verifier::VerifiedProgram& program, bool shared);

// So many bytes of the buffer a frame takes, and its clones behind it.
[[nodiscard]] std::size_t frame_bytes(const exec::Frame& frame, const FrameUse& use);
[[nodiscard]] std::size_t staged_bytes(const exec::Frame& frame, const FrameUse& use);
// ... of which so many travel.
[[nodiscard]] std::size_t travelling_bytes(const exec::Frame& frame, const FrameUse& use);
[[nodiscard]] PacketRecord stage(exec::Frame& frame, const FrameUse& use, std::size_t base,
                                 std::span<std::byte> packets);
// Gives the frame its bytes and edges. False if the device tells of edges that no frame has: nothing is taken then.
[[nodiscard]] bool unstage(exec::Frame& frame, const FrameUse& use, const Returned& returned);

}  // namespace forager::jit::opencl
