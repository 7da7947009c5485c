// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/common/passes/passes.h"

namespace forager::jit {

void prune(Code& code) {
  for (std::uint32_t at = 0; at < code.steps.size(); ++at) {
    Step& step = code.steps[at];
    if (step.kind != Kind::branch) continue;
    const verifier::Branch ways = code.facts(at).branch;
    if (ways == verifier::Branch::always) step.kind = Kind::jump;
    if (ways == verifier::Branch::never) step.kind = Kind::none;
  }
}

}  // namespace forager::jit
