// SPDX-License-Identifier: Apache-2.0
//
// Bytes of the stack that nobody reads any more are not written. Compilers keep there what they ran out of registers
// for, and fill with zeros what they write over; what is known of such bytes (known_stack.h) took their loads away.
#include <algorithm>
#include <vector>

#include "jit-backends/rtl/stack_liveness.h"

namespace forager::jit::rtl {

void drop_spills(Flow& flow) {
  const StackLiveness liveness(flow);
  for (FlowBlock& block : flow.blocks) {
    if (block.function) continue;
    StackLiveness::Bytes live = liveness.at_end(block);
    std::vector<Operation> kept;
    for (std::size_t at = block.operations.size(); at-- > 0;) {
      Operation& operation = block.operations[at];
      const StackLiveness::Bytes written = written_on_stack(operation);
      if (written.any() && (written & live).none()) continue;
      live = liveness.before(operation, live);
      kept.push_back(operation);
    }
    std::ranges::reverse(kept);
    block.operations = std::move(kept);
  }
}

}  // namespace forager::jit::rtl
