// SPDX-License-Identifier: Apache-2.0
//
// Words of the stack that nobody reads are not written. Compilers keep there what they ran out of registers for; what
// is known of such a word (values.h) took its loads away. The versions of a program are looked at each for itself.
#include <algorithm>
#include <iterator>
#include <vector>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

struct Range {
  std::int64_t first = 0, last = isa::kStackBytes;  // both included
};

bool is_exact(const Reach& reach) {
  return reach.region == verifier::Region::stack && reach.frame == 0 && reach.first <= reach.last;
}

class Spills {
 public:
  Spills(Flow& flow, bool native) : flow_(flow), native_(native) {
    each([&](const Operation& operation) { look_at(operation); });
  }

  void run() {
    for (FlowBlock& block : flow_.blocks) {
      if (block.native != native_ || block.function) continue;
      std::erase_if(block.operations, [&](const Operation& operation) { return is_dead(operation); });
    }
  }

 private:
  template <class Visit>
  void each(Visit visit) const {
    for (const FlowBlock& block : flow_.blocks) {
      if (block.native != native_ || block.function) continue;
      for (const Operation& operation : block.operations) visit(operation);
    }
  }

  // The host, functions and other programs may read all of it, and so may who reads somewhere that is not known.
  void look_at(const Operation& operation) {
    const CoreClass of = class_of(operation.slot.op);
    const Reach& reach = operation.reach;
    constexpr CoreOp kReaders[] = {CoreOp::UnitHost, CoreOp::UnitTailCall, CoreOp::ControlCall};
    if (std::ranges::find(kReaders, operation.slot.op) != std::end(kReaders)) read_.push_back({});
    if (of != CoreClass::Load && of != CoreClass::Atomic) return;
    if (is_exact(reach)) {
      read_.push_back({.first = reach.first, .last = reach.last});
    } else if (reach.region == verifier::Region::stack || reach.region == verifier::Region::unknown) {
      read_.push_back({});
    }
  }

  [[nodiscard]] bool is_dead(const Operation& operation) const {
    const Reach& reach = operation.reach;
    if (class_of(operation.slot.op) != CoreClass::Store || !is_exact(reach)) return false;
    return std::ranges::none_of(
        read_, [&](const Range& range) { return range.first <= reach.last && reach.first <= range.last; });
  }

  Flow& flow_;
  bool native_;
  std::vector<Range> read_;
};

}  // namespace

void drop_spills(Flow& flow) {
  for (const bool native : {false, true}) Spills(flow, native).run();
}

}  // namespace forager::jit::rtl
