// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/backend.h"

#include <sys/random.h>

#include "exec/blockers.h"
#include "jit-backends/common/device.h"
#include "jit-backends/common/features.h"
#include "jit-backends/common/passes/passes.h"

namespace forager::jit {
namespace {

Settings settings_of(const exec::CompileOptions& options) {
  Settings settings{.features = host_features() & ~options.features_off, .blind_constants = options.blind_constants};
  if (settings.blind_constants &&
      getrandom(&settings.blinding, sizeof settings.blinding, 0) != sizeof settings.blinding) {
    settings.blinding = reinterpret_cast<std::uintptr_t>(&settings);  // before the pool is ready: where the stack is
  }
  return settings;
}

}  // namespace

Result<std::shared_ptr<const exec::Image>> compile_for(const Target& target,
                                                       std::shared_ptr<const verifier::VerifiedProgram> program,
                                                       const exec::CompileOptions& options) {
  const exec::Capabilities& able = jit::capabilities(target.arch);
  auto found = exec::blockers(*program, able);
  if (!found.empty() && able.available) return std::unexpected(std::move(found.front()));
  auto code = optimised(*program, options);
  if (!code) return std::unexpected(std::move(code.error()));
  auto made = target.generate(*code, settings_of(options));
  if (!made) return std::unexpected(std::move(made.error()));
  return std::make_shared<const JitImage>(target.name, target.arch, options, std::move(program), std::move(*made));
}

JitBackend::JitBackend(const Target& target) : target_(target), able_(jit::capabilities(target.arch)) {}

Result<std::shared_ptr<const exec::Image>> JitBackend::compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                               const exec::CompileOptions& options) const {
  return target_.compile(std::move(program), options);
}

Result<std::unique_ptr<exec::Device>> JitBackend::open(const exec::DeviceOptions& options) const {
  return make_device(target_.name, target_.compile, options);
}

}  // namespace forager::jit
