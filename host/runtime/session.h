// SPDX-License-Identifier: Apache-2.0
//
// Session: a program placed on a device, with its maps, ready to run packets. What BPF_PROG_TEST_RUN, `forager run` and
// the benches all use.
//
// A session belongs to one thread at a time; sessions of one program share its maps. It keeps its program alive, and
// must not outlive the runtime whose environment the device reads.
//
// Tested by: tests/unit/runtime_session_test.cc.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "exec/backend.h"
#include "runtime/objects.h"
#include "runtime/placement.h"

namespace forager::runtime {

struct SessionOptions {
  PlacementRequest placement;
  exec::CompileOptions compile;
  exec::DeviceOptions device;  // its environment is the runtime's, whatever stands here
};

class Session {
 public:
  // Errors: of placement, of compilation, and of the device.
  [[nodiscard]] static Result<Session> open(const exec::Environment& environment,
                                            std::shared_ptr<ProgramObject> program, const SessionOptions& options);

  // Runs every frame in order, and counts it on the program.
  [[nodiscard]] Result<exec::RunReport> run(exec::PacketBatch batch);

  [[nodiscard]] std::string_view backend() const { return image_->backend(); }
  [[nodiscard]] const std::vector<Refusal>& refused() const { return refused_; }
  [[nodiscard]] const exec::Image& image() const { return *image_; }
  [[nodiscard]] exec::Device& device() { return *device_; }
  [[nodiscard]] const ProgramObject& program() const { return *program_; }

 private:
  Session() = default;
  [[nodiscard]] Result<> bind_maps();

  std::shared_ptr<ProgramObject> program_;
  std::vector<Refusal> refused_;
  std::shared_ptr<const exec::Image> image_;
  std::unique_ptr<exec::Device> device_;
};

}  // namespace forager::runtime
