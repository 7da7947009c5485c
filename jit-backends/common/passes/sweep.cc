// SPDX-License-Identifier: Apache-2.0
//
// Removal of steps whose result nobody reads.
#include "jit-backends/common/passes/liveness.h"
#include "jit-backends/common/passes/passes.h"

namespace forager::jit {
namespace {

using verifier::RegisterSet;

// Nothing but its result would be missed. A load that the verifier proved cannot fault.
bool is_pure(const Step& step) { return only_makes_result(step) && !step.checked && step.kind != Kind::load_context; }

}  // namespace

void sweep(Code& code) {
  const Liveness liveness(code);
  const auto blocks = code.program->program().blocks();
  for (const std::uint32_t block : code.layout) {
    RegisterSet live = liveness.at_end(block);
    for (std::uint32_t at = blocks[block].end; at-- > blocks[block].begin;) {
      Step& step = code.steps[at];
      if (is_pure(step) && (writes_of(step) & live) == 0) step = {};
      step.live = live;
      live = live_before(step, live);
    }
  }
}

}  // namespace forager::jit
