// SPDX-License-Identifier: Apache-2.0
//
// JitBackend: exec::Backend for an architecture, which brings the generator.
//
// Tested by: through the backends that are made of it.
#pragma once

#include "jit-backends/common/generator.h"
#include "jit-backends/common/invocation.h"

namespace forager::jit {

struct Target {
  std::string_view name;
  Arch arch{};
  Result<MachineCode> (*generate)(const Code& code, const Settings& settings) = nullptr;
  Compile compile = nullptr;  // compile_for() this target
};

// Judges the program, runs the passes, generates. Errors: unsupported, with what this host's engine does not do; those
// of the generator.
[[nodiscard]] Result<std::shared_ptr<const exec::Image>> compile_for(
    const Target& target, std::shared_ptr<const verifier::VerifiedProgram> program,
    const exec::CompileOptions& options);

class JitBackend final : public exec::Backend {
 public:
  explicit JitBackend(const Target& target);
  std::string_view name() const override { return target_.name; }
  const exec::Capabilities& capabilities() const override { return able_; }
  Result<std::shared_ptr<const exec::Image>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                     const exec::CompileOptions& options) const override;
  Result<std::unique_ptr<exec::Device>> open(const exec::DeviceOptions& options) const override;

 private:
  const Target& target_;
  const exec::Capabilities& able_;
};

}  // namespace forager::jit
