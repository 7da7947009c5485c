// SPDX-License-Identifier: Apache-2.0
//
// Branches are turned so that what most packets take comes behind them: there a trace goes on (trace.h), whose
// operations fill each other's bundles. Nobody has measured what packets take. It is taken for rare that a frame has a
// tag, that a map does not have what is looked up, and that its entries come or go; of two other ways the longer one is
// the program's business, and the shorter one an exception.
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

constexpr std::size_t kMostTags = 4;

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
    for (std::uint32_t i = 0; i < flow_.blocks.size(); ++i) ask_first(i);
  }

 private:
  // `if tag: ..; if other tag: ..; if not this: ..` begins with what is likely, which is no tag.
  void ask_first(std::uint32_t number) {
    std::vector<Operation> tags;
    std::uint32_t at = number;
    while (is_tag(flow_.blocks[at]) && (at == number || is_same(flow_.blocks[at], tags.front()))) {
      tags.push_back(flow_.blocks[at].operations.back());
      at = flow_.blocks[at].next;
      if (tags.size() > kMostTags) return;
    }
    if (tags.empty() || !is_same(flow_.blocks[at], tags.front())) return;
    const FlowBlock last = flow_.blocks[at];
    if (last.operations.back().slot.op != CoreOp::BranchNe || is_rare(last.operations.back().slot.imm)) return;
    FlowBlock rest = last;
    rest.operations = std::move(tags);
    rest.next = last.operations.back().target;
    FlowBlock& block = flow_.blocks[number];
    block.operations.back() = last.operations.back();
    block.operations.back().target = static_cast<std::uint32_t>(flow_.blocks.size());
    block.operations.back().likely = false;
    block.next = last.next;
    flow_.blocks.push_back(std::move(rest));
    weights_.emplace_back();
  }
  static bool is_rare(std::uint32_t imm) { return std::ranges::find(kTags, imm) != std::end(kTags); }
  static bool is_tag(const FlowBlock& block) {
    if (!block.native || block.operations.empty() || block.next == program::kNone) return false;
    const Slot& slot = block.operations.back().slot;
    return slot.op == CoreOp::BranchEq && slot.use_imm && is_rare(slot.imm);
  }
  // It has nothing but a comparison of the same register.
  static bool is_same(const FlowBlock& block, const Operation& with) {
    if (block.operations.size() != 1 || block.next == program::kNone) return false;
    const Slot &slot = block.operations.back().slot, &other = with.slot;
    return class_of(slot.op) == CoreClass::Branch && slot.use_imm && slot.a == other.a &&
           slot.a_state == other.a_state && slot.wide == other.wide;
  }

  // That it is taken.
  [[nodiscard]] bool is_likely(const FlowBlock& block, const Operation& branch) {
    if (branch.likely) return *branch.likely;
    const Slot& slot = branch.slot;
    const bool equal = slot.op == CoreOp::BranchEq;
    if (slot.use_imm && (equal || slot.op == CoreOp::BranchNe)) {
      const bool rare = is_rare(slot.imm) || (slot.imm == 0 && is_found(block, slot.a));
      if (rare) return !equal;
    }
    const bool there = changes_map(branch.target), behind = changes_map(block.next);
    return there != behind ? behind : weight(branch.target) > weight(block.next);
  }

  [[nodiscard]] bool changes_map(std::uint32_t block) const {
    return std::ranges::any_of(flow_.blocks[block].operations, [](const Operation& one) {
      return one.slot.op == CoreOp::UnitUpdate || one.slot.op == CoreOp::UnitDelete;
    });
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
