// SPDX-License-Identifier: Apache-2.0
//
// Branches are turned so that what most packets take comes behind them: there a trace goes on (trace.h), whose
// operations fill each other's bundles. Nobody has measured what packets take. It is taken for rare that a frame has a
// tag, and that a map does not have what is looked up; of two other ways the longer one is the program's business, and
// the shorter one an exception.
#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

constexpr std::uint32_t kTags[] = {0x8100, 0x88a8, 0x0081, 0xa888};  // IEEE 802.1Q and 802.1ad, in both orders of bytes

std::optional<CoreOp> opposite(CoreOp op) {
  constexpr std::pair<CoreOp, CoreOp> kPairs[] = {
      {CoreOp::BranchEq, CoreOp::BranchNe},   {CoreOp::BranchGt, CoreOp::BranchLe},
      {CoreOp::BranchGe, CoreOp::BranchLt},   {CoreOp::BranchSgt, CoreOp::BranchSle},
      {CoreOp::BranchSge, CoreOp::BranchSlt}, {CoreOp::BranchSet, CoreOp::BranchClear}};
  for (const auto& [one, other] : kPairs) {
    if (op == one) return other;
    if (op == other) return one;
  }
  return std::nullopt;
}

class Turner {
 public:
  explicit Turner(Flow& flow) : flow_(flow), weights_(flow.blocks.size()) {}

  void run() {
    for (FlowBlock& block : flow_.blocks) {
      if (!block.native || block.next == program::kNone || block.operations.empty()) continue;
      Operation& branch = block.operations.back();
      const auto turned = opposite(branch.slot.op);
      if (!turned || !is_likely(block, branch)) continue;
      branch.slot.op = *turned;
      std::swap(branch.target, block.next);
    }
  }

 private:
  // That it is taken.
  [[nodiscard]] bool is_likely(const FlowBlock& block, const Operation& branch) {
    if (branch.likely) return *branch.likely;
    const Slot& slot = branch.slot;
    const bool equal = slot.op == CoreOp::BranchEq;
    if (slot.use_imm && (equal || slot.op == CoreOp::BranchNe)) {
      const bool rare =
          std::ranges::find(kTags, slot.imm) != std::end(kTags) || (slot.imm == 0 && is_found(block, slot.a));
      if (rare) return !equal;
    }
    return weight(branch.target) > weight(block.next);
  }

  // A register that a lookup in this block wrote.
  static bool is_found(const FlowBlock& block, std::uint8_t reg) {
    for (std::size_t at = block.operations.size() - 1; at-- > 0;) {
      const Slot& slot = block.operations[at].slot;
      if (!writes_result(slot) || slot.d != reg) continue;
      if (slot.op == CoreOp::AluMov && !slot.use_imm)
        reg = slot.b;
      else
        return slot.op == CoreOp::UnitLookup;
    }
    return false;
  }

  // Operations on the longest way to an end, loops once.
  std::size_t weight(std::uint32_t first) {
    std::vector<std::uint32_t> open = {first};
    while (!open.empty()) {
      const std::uint32_t number = open.back();
      auto& weight = weights_[number];
      if (weight.state == Weight::done) {
        open.pop_back();
        continue;
      }
      weight.state = Weight::open;
      std::size_t most = 0;
      bool waits = false;
      each_next(flow_.blocks[number], [&](std::uint32_t next) {
        if (weights_[next].state == Weight::fresh) {
          open.push_back(next);
          waits = true;
        }
        most = std::max(most, weights_[next].operations);
      });
      if (waits) continue;
      weights_[number] = {Weight::done, most + flow_.blocks[number].operations.size()};
    }
    return weights_[first].operations;
  }
  struct Weight {
    enum State : std::uint8_t { fresh, open, done };
    State state = fresh;
    std::size_t operations = 0;
  };

  Flow& flow_;
  std::vector<Weight> weights_;
};

}  // namespace

void turn_branches(Flow& flow) { Turner(flow).run(); }

}  // namespace forager::jit::rtl
