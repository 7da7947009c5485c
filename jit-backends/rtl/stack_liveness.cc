// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/stack_liveness.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

using Bytes = StackLiveness::Bytes;

bool is_exact(const Reach& reach) {
  return reach.region == verifier::Region::stack && reach.frame == 0 && reach.first <= reach.last && reach.first >= 0 &&
         reach.last < std::int64_t{isa::kStackBytes};
}
Bytes bytes_within(const Reach& reach) {
  Bytes bytes;
  for (std::int64_t at = reach.first; at <= reach.last; ++at) bytes.set(static_cast<std::size_t>(at));
  return bytes;
}

// The host, functions and other programs may read all of it, and so may who reads somewhere that is not known.
Bytes read_by(const Operation& operation) {
  constexpr CoreOp kReaders[] = {CoreOp::UnitHost, CoreOp::UnitTailCall, CoreOp::ControlCall};
  if (std::ranges::find(kReaders, operation.slot.op) != std::end(kReaders)) return ~Bytes{};
  const CoreClass of = class_of(operation.slot.op);
  if (of != CoreClass::Load && of != CoreClass::Atomic && !is_of_engine(operation.slot)) return {};
  const Reach& reach = operation.reach;
  if (is_exact(reach)) return bytes_within(reach);
  const bool anywhere = reach.region == verifier::Region::stack || reach.region == verifier::Region::unknown;
  return anywhere && of != CoreClass::Unit ? ~Bytes{} : Bytes{};
}

}  // namespace

Bytes written_on_stack(const Operation& operation) {
  const bool stores = class_of(operation.slot.op) == CoreClass::Store && is_exact(operation.reach);
  return stores ? bytes_within(operation.reach) : Bytes{};
}

StackLiveness::StackLiveness(const Flow& flow) : at_begin_(flow.blocks.size()) {
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = flow.blocks.size(); i-- > 0;) {
      const FlowBlock& block = flow.blocks[i];
      Bytes live = at_end(block);
      for (std::size_t at = block.operations.size(); at-- > 0;) live = before(block.operations[at], live);
      changed = std::exchange(at_begin_[i], live) != live || changed;
    }
  }
}

Bytes StackLiveness::before(const Operation& operation, Bytes after) const {
  const CoreOp op = operation.slot.op;
  if (op == CoreOp::ControlRet || op == CoreOp::ControlTrap || op == CoreOp::BranchAlways) after.reset();
  if (class_of(op) == CoreClass::Branch) after |= at_begin_[operation.target];
  // A store whose place varies writes some of what it may write.
  const Bytes written = written_on_stack(operation);
  if (written.count() == (written.any() ? bytes_of(op) : 0)) after &= ~written;
  return after | read_by(operation);
}

}  // namespace forager::jit::rtl
