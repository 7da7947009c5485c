// SPDX-License-Identifier: Apache-2.0
#include "executor.h"

#include <cerrno>

#include <fmt/format.h>

#include "program/program.h"
#include "verifier/verify.h"

namespace forager::conformance {
namespace {

Result<std::shared_ptr<const verifier::VerifiedProgram>> verified(std::vector<isa::Slot> slots) {
  program::Source source;
  source.name = "vector";
  source.type = isa::ProgType::raw_memory;
  source.gpl_compatible = true;
  source.slots = std::move(slots);
  auto program = program::Program::decode(std::move(source));
  if (!program) return std::unexpected(std::move(program.error()));
  return verifier::verify(std::move(*program));
}

Answer refused(Stage stage, Diagnostic error) { return {.error = std::move(error), .stage = stage}; }

}  // namespace

Result<Executor> Executor::open(const exec::Backend& backend, const exec::Environment& environment,
                                const exec::CompileOptions& options) {
  const exec::Capabilities& able = backend.capabilities();
  if (!able.available) return fail(ErrorKind::unsupported, ENOTSUP, able.reason);
  exec::DeviceOptions device_options;
  device_options.environment = &environment;
  auto device = backend.open(device_options);
  if (!device) return std::unexpected(std::move(device.error()));
  return Executor(backend, options, std::move(*device));
}

Answer Executor::run(std::vector<isa::Slot> slots, std::span<const std::byte> memory) {
  auto program = verified(std::move(slots));
  if (!program) return refused(Stage::verification, std::move(program.error()));
  auto image = backend_->compile(std::move(*program), options_);
  if (!image) return refused(Stage::backend, std::move(image.error()));
  if (auto loaded = device_->load(std::move(*image)); !loaded) {
    return refused(Stage::backend, std::move(loaded.error()));
  }
  exec::Frame frame = exec::Frame::raw(memory);
  if (auto report = device_->run({&frame, 1}); !report) return refused(Stage::backend, std::move(report.error()));
  if (frame.results().trap != nullptr) return refused(Stage::execution, std::move(*frame.change_results().trap));
  return {.r0 = frame.return_value};
}

}  // namespace forager::conformance
