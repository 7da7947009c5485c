// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/passes/passes.h"

#include <utility>

namespace forager::jit {
namespace {

constexpr Pass kPasses[] = {
    {"prune", "branches that are decided", prune},       {"fold", "constants, small divisions", fold},
    {"specialise", "lookups in known maps", specialise}, {"forward", "stack slots that only pass values on", forward},
    {"fuse", "several instructions as one", fuse},       {"address", "sums as addresses", address},
    {"sweep", "results that nobody reads", sweep},       {"arrange", "seldom-reached blocks out of the way", arrange},
};

}  // namespace

std::span<const Pass> passes() { return kPasses; }

std::uint32_t pass_bit(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kPasses); ++i) {
    if (kPasses[i].name == name) return 1U << i;
  }
  return 0;
}

Result<Code> optimised(const verifier::VerifiedProgram& program, const exec::CompileOptions& options,
                       std::vector<bool> called_maps) {
  auto code = lower(program);
  if (!code) return code;
  code->called_maps = std::move(called_maps);
  for (std::size_t i = 0; i < std::size(kPasses); ++i) {
    if ((options.passes_off >> i & 1) == 0) kPasses[i].run(*code);
  }
  clear_frames(*code);
  return code;
}

}  // namespace forager::jit
