// SPDX-License-Identifier: Apache-2.0
//
// What the device tells of a packet, as the frame's result: verdict, bytes and edges, why it was stopped, and where it
// is redirected to.
//
// Tested by: tests/unit/opencl_device_test.cc.
#pragma once

#include "exec/backend.h"
#include "exec/invocation.h"
#include "jit-backends/opencl/group.h"

namespace forager::jit::opencl {

class ResultTaker {
 public:
  ResultTaker(const verifier::VerifiedProgram& program, const exec::DeviceOptions& options, const FrameUse& use,
              const std::vector<GroupMap>& maps);

  // Of a frame without results. False if the packet was stopped.
  bool take(exec::Frame& frame, const Returned& returned);

 private:
  [[nodiscard]] std::unique_ptr<Diagnostic> reason(const PacketRecord& record) const;
  void redirect(exec::Frame& frame, const PacketRecord& record);

  const verifier::VerifiedProgram& program_;
  const FrameUse& use_;
  std::vector<exec::Map*> port_maps_;  // by number: those that lead to ports, and null for others
  exec::RunContext context_;           // of the host's helpers, packet after packet
};

// Whether the host has the helpers that carry results out. Errors: bug.
[[nodiscard]] Result<> check_helpers(const Group& group, const exec::Environment& environment);

}  // namespace forager::jit::opencl
