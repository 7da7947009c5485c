// SPDX-License-Identifier: Apache-2.0
//
// Runs raw-memory programs (r1 = memory, r2 = its length in bytes) on one backend, through the same verifier and
// contracts as every other program.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "exec/backend.h"
#include "forager/result.h"

namespace forager::conformance {

// Who said no: our decoder or verifier, the backend, or the engine while the program ran.
enum class Stage : std::uint8_t { verification, backend, execution };

struct Answer {
  std::uint64_t r0 = 0;  // if there is no error
  std::optional<Diagnostic> error;
  Stage stage = Stage::execution;  // of the error
};

class Executor {
 public:
  // The environment outlives the executor. Errors: of the device; unsupported, with its reason, where the backend is
  // not available.
  [[nodiscard]] static Result<Executor> open(const exec::Backend& backend, const exec::Environment& environment,
                                             const exec::CompileOptions& options = {});

  [[nodiscard]] Answer run(std::vector<isa::Slot> slots, std::span<const std::byte> memory);

 private:
  Executor(const exec::Backend& backend, exec::CompileOptions options, std::unique_ptr<exec::Device> device)
      : backend_(&backend), options_(options), device_(std::move(device)) {}

  const exec::Backend* backend_;
  exec::CompileOptions options_;
  std::unique_ptr<exec::Device> device_;
};

}  // namespace forager::conformance
