// SPDX-License-Identifier: Apache-2.0
//
// What the device tells of a packet, as the frame's result: verdict, bytes and edges, why it was stopped, and where it
// is redirected to.
//
// Tested by: tests/unit/opencl_device_test.cc.
#pragma once

#include "exec/backend.h"
#include "jit-backends/opencl/group.h"

namespace forager::jit::opencl {

struct ResultTaker {
  const verifier::VerifiedProgram& program;
  const exec::DeviceOptions& options;
  const FrameUse& use;
  const std::vector<GroupMap>& maps;

  // Of a frame without results. False if the packet was stopped.
  bool take(exec::Frame& frame, const Returned& returned) const;

 private:
  [[nodiscard]] std::unique_ptr<Diagnostic> reason(const PacketRecord& record) const;
  void redirect(exec::Frame& frame, const PacketRecord& record) const;
};

// Whether the host has the helpers that carry results out. Errors: bug.
[[nodiscard]] Result<> check_helpers(const Group& group, const exec::Environment& environment);

}  // namespace forager::jit::opencl
