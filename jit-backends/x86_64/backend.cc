// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/x86_64/backend.h"

#include "jit-backends/common/backend.h"
#include "jit-backends/x86_64/emitter.h"
#include "jit-backends/x86_64/generate.h"

namespace forager::jit::x86_64 {
namespace {

Result<std::shared_ptr<const exec::Image>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                   const exec::CompileOptions& options);

constexpr Target kTarget = {.name = "x86_64", .arch = Arch::x86_64, .generate = generate, .compile = compile};

Result<std::shared_ptr<const exec::Image>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                   const exec::CompileOptions& options) {
  return compile_for(kTarget, std::move(program), options);
}

}  // namespace

Result<MachineCode> generate(const Code& code, const Settings& settings) { return Emitter(code, settings).run(); }

const exec::Backend& backend() {
  static const JitBackend kBackend(kTarget);
  return kBackend;
}

}  // namespace forager::jit::x86_64
