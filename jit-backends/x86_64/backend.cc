// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/x86_64/backend.h"

#include <sys/random.h>

#include "exec/blockers.h"
#include "jit-backends/common/device.h"
#include "jit-backends/common/features.h"
#include "jit-backends/common/passes.h"
#include "jit-backends/x86_64/emitter.h"

namespace forager::jit::x86_64 {
namespace {

constexpr std::string_view kName = "x86_64";

const exec::Capabilities& able() {
  static const exec::Capabilities kAble = capabilities(Arch::x86_64);
  return kAble;
}

Settings settings_of(const exec::CompileOptions& options) {
  Settings settings{.features = host_features() & ~options.features_off, .blind_constants = options.blind_constants};
  if (settings.blind_constants &&
      getrandom(&settings.blinding, sizeof settings.blinding, 0) != sizeof settings.blinding) {
    settings.blinding = reinterpret_cast<std::uintptr_t>(&settings);  // before the pool is ready: where the stack is
  }
  return settings;
}

Result<std::shared_ptr<const exec::Image>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                   const exec::CompileOptions& options) {
  auto found = exec::blockers(*program, able());
  if (!found.empty() && able().available) return std::unexpected(std::move(found.front()));
  auto code = optimised(*program, options);
  if (!code) return std::unexpected(std::move(code.error()));
  auto made = Emitter(*code, settings_of(options)).run();
  if (!made) return std::unexpected(std::move(made.error()));
  return std::make_shared<const JitImage>(kName, Arch::x86_64, options, std::move(program), std::move(*made));
}

class JitBackend final : public exec::Backend {
 public:
  std::string_view name() const override { return kName; }
  const exec::Capabilities& capabilities() const override { return able(); }
  Result<std::shared_ptr<const exec::Image>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                     const exec::CompileOptions& options) const override {
    return x86_64::compile(std::move(program), options);
  }
  Result<std::unique_ptr<exec::Device>> open(const exec::DeviceOptions& options) const override {
    return make_device(kName, x86_64::compile, options);
  }
};

}  // namespace

const exec::Backend& backend() {
  static const JitBackend kBackend;
  return kBackend;
}

}  // namespace forager::jit::x86_64
