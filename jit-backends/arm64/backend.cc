// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/arm64/backend.h"

#include "jit-backends/arm64/emitter.h"
#include "jit-backends/arm64/generate.h"
#include "jit-backends/common/backend.h"

namespace forager::jit::arm64 {
namespace {

Result<std::shared_ptr<const exec::Image>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                   const exec::CompileOptions& options);

constexpr Target kTarget = {.name = "arm64", .arch = Arch::arm64, .generate = generate, .compile = compile};

Result<std::shared_ptr<const exec::Image>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                   const exec::CompileOptions& options) {
  return compile_for(kTarget, std::move(program), options);
}

}  // namespace

// Code is short as a rule; what turns out not to be is made again.
Result<MachineCode> generate(const Code& code, const Settings& settings) {
  Emitter emitter(code, settings);
  auto made = emitter.run();
  if (made || !emitter.too_far()) return made;
  Settings far = settings;
  far.far = true;
  return Emitter(code, far).run();
}

const exec::Backend& backend() {
  static const JitBackend kBackend(kTarget);
  return kBackend;
}

}  // namespace forager::jit::arm64
