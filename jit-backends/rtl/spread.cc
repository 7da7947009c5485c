// SPDX-License-Identifier: Apache-2.0
//
// Values that begin and end in a block take turns in the registers that are free there. So what a register held is
// known for longer, by whoever asks what was stored (known_stack.h).
#include <algorithm>
#include <vector>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/registers.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

class Spreader {
 public:
  Spreader(FlowBlock& block, const FlowLiveness& liveness)
      : operations_(block.operations), liveness_(liveness), live_(operations_.size()) {
    Registers live = liveness.at_end(block), taken = live | only(isa::kFramePointer) | only(kUnusedRegister);
    for (std::size_t at = operations_.size(); at-- > 0;) {
      live_[at] = live;
      taken |= live;
      live = liveness.before(block, operations_[at], live);
      taken |= live | reads_of(operations_[at]) | writes_of(operations_[at]);
    }
    for (std::uint8_t reg = 0; reg < kUnusedRegister; ++reg) {
      if ((taken & only(reg)) == 0) free_.push_back({reg});
    }
  }

  void run() {
    for (std::size_t i = 0; i < operations_.size() && !free_.empty(); ++i) {
      const Slot& slot = operations_[i].slot;
      if (!writes_result(slot) || slot.d == kUnusedRegister || slot.d == isa::kFramePointer) continue;
      const std::size_t end = last_reader(i);
      // The one that is free for the longest time, if it is.
      const auto oldest = std::ranges::min_element(free_, {}, &Free::until);
      if (end == operations_.size() || oldest->until > i || !is_overwritten(i)) continue;
      oldest->until = end;
      rename(i, end, oldest->number);
    }
  }

 private:
  struct Free {
    std::uint8_t number = 0;
    std::size_t until = 0;  // the operation that reads its value last
  };

  // Nowhere, if the value goes on behind the block or where a branch leads, or is an argument.
  [[nodiscard]] std::size_t last_reader(std::size_t i) const {
    const Registers of = only(operations_[i].slot.d);
    for (std::size_t j = i + 1; j < operations_.size(); ++j) {
      const Operation& one = operations_[j];
      const bool goes_on = one.target != program::kNone && (liveness_.at_begin(one.target) & of) != 0;
      if (goes_on || one.slot.op == CoreOp::ControlCall) return operations_.size();
      if ((writes_of(one) & of) != 0 || (live_[j] & of) == 0) return j;
    }
    return operations_.size();
  }
  [[nodiscard]] bool is_overwritten(std::size_t i) const {
    return std::ranges::any_of(
        operations_.begin() + static_cast<std::ptrdiff_t>(i) + 1, operations_.end(),
        [&](const Operation& one) { return (writes_of(one) & only(operations_[i].slot.d)) != 0; });
  }
  void rename(std::size_t from, std::size_t to, std::uint8_t fresh) {
    const std::uint8_t old = operations_[from].slot.d;
    operations_[from].slot.d = fresh;
    for (std::size_t i = from + 1; i <= to; ++i) {
      each_operand(operations_[i], [&](std::uint8_t& reg) { reg = reg == old ? fresh : reg; });
    }
  }

  std::vector<Operation>& operations_;
  const FlowLiveness& liveness_;
  std::vector<Registers> live_;  // after each operation
  std::vector<Free> free_;
};

}  // namespace

void spread_values(Flow& flow) {
  const FlowLiveness liveness(flow);
  for (FlowBlock& block : flow.blocks) Spreader(block, liveness).run();
}

}  // namespace forager::jit::rtl
