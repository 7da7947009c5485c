// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/flow.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

constexpr Registers kAll = 0xffff;
constexpr Registers kArguments = 0x3e;

bool ends_here(const Slot& slot) {
  return slot.op == CoreOp::BranchAlways || slot.op == CoreOp::ControlRet || slot.op == CoreOp::ControlTrap;
}
bool is_call(const Operation& operation) { return operation.slot.op == CoreOp::ControlCall; }

std::vector<bool> reached_from(const Flow& flow, std::uint32_t first) {
  std::vector<bool> seen(flow.blocks.size(), false);
  std::vector<std::uint32_t> open = {first};
  while (!open.empty()) {
    const std::uint32_t block = open.back();
    open.pop_back();
    if (seen[block]) continue;
    seen[block] = true;
    each_next(flow.blocks[block], [&](std::uint32_t next) { open.push_back(next); });
  }
  return seen;
}

}  // namespace

Flow flow_of(const std::vector<OperationBlock>& blocks) {
  Flow flow;
  std::unordered_map<std::uint32_t, std::uint32_t> number;
  for (std::uint32_t i = 0; i < blocks.size(); ++i) number[blocks[i].begin] = i;
  for (std::uint32_t i = 0; i < blocks.size(); ++i) {
    FlowBlock block{.begin = blocks[i].begin, .operations = blocks[i].operations};
    for (Operation& operation : block.operations) {
      if (operation.target != program::kNone) operation.target = number.at(operation.target);
    }
    auto& operations = block.operations;
    const bool leaves = !operations.empty() && ends_here(operations.back().slot);
    if (!leaves && i + 1 < blocks.size()) block.next = i + 1;
    if (leaves && operations.back().slot.op == CoreOp::BranchAlways) {
      block.next = operations.back().target;
      operations.pop_back();
    }
    flow.blocks.push_back(std::move(block));
  }
  const std::vector<bool> main = reached_from(flow, 0);
  for (std::uint32_t i = 0; i < flow.blocks.size(); ++i) flow.blocks[i].function = !main[i];
  return flow;
}

void add_native(Flow& flow) {
  const std::vector<bool> main = reached_from(flow, 0);
  std::vector<std::uint32_t> copy(flow.blocks.size(), program::kNone);
  for (std::uint32_t i = 0; i < main.size(); ++i) {
    if (!main[i]) continue;
    copy[i] = static_cast<std::uint32_t>(flow.blocks.size());
    flow.blocks.push_back(flow.blocks[i]);
    flow.blocks.back().native = true;
  }
  for (FlowBlock& block : flow.blocks) {
    if (!block.native) continue;
    for (Operation& operation : block.operations) {
      if (operation.target != program::kNone && !is_call(operation)) operation.target = copy[operation.target];
    }
    if (block.next != program::kNone) block.next = copy[block.next];
  }
  flow.long_entry = copy[0];
}

Registers reads_of(const Operation& operation) {
  Registers out = 0;
  if (is_call(operation)) return kArguments;
  for (std::uint8_t reg = 0; reg < 16; ++reg) {
    if (reads(operation.slot, reg) || reads_beside(operation, reg)) out |= only(reg);
  }
  return out;
}

Registers writes_of(const Operation& operation) {
  if (is_call(operation)) return kAll & ~only(isa::kFramePointer);
  return writes_result(operation.slot) ? only(operation.slot.d) : Registers{0};
}

bool is_pure(const Operation& operation) {
  switch (class_of(operation.slot.op)) {
    case CoreClass::Alu:
      return true;
    case CoreClass::Load:
      return operation.reach.region != verifier::Region::unknown;
    case CoreClass::Local:
      return operation.slot.op != CoreOp::LocalKeep;
    case CoreClass::Unit:
      return operation.slot.op <= CoreOp::UnitSmod;
    default:
      return false;
  }
}

FlowLiveness::FlowLiveness(const Flow& flow) : at_begin_(flow.blocks.size(), 0) {
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = flow.blocks.size(); i-- > 0;) {
      const FlowBlock& block = flow.blocks[i];
      Registers live = at_end(block);
      for (std::size_t at = block.operations.size(); at-- > 0;) live = before(block, block.operations[at], live);
      changed = std::exchange(at_begin_[i], live) != live || changed;
    }
  }
}

Registers FlowLiveness::before(const FlowBlock& block, const Operation& operation, Registers after) const {
  const Slot& slot = operation.slot;
  if (slot.op == CoreOp::ControlTrap) after = 0;
  if (slot.op == CoreOp::ControlRet) after = block.function ? only(0) : Registers{0};
  if (slot.op == CoreOp::BranchAlways) after = 0;
  if (class_of(slot.op) == CoreClass::Branch) after |= at_begin_[operation.target];
  return static_cast<Registers>((after & ~writes_of(operation)) | reads_of(operation));
}

// A branch to where its block goes on anyway.
bool leads_on(const FlowBlock& block, const Operation& one) {
  return class_of(one.slot.op) == CoreClass::Branch && one.target == block.next && &one == &block.operations.back();
}

void sweep(Flow& flow) {
  const FlowLiveness liveness(flow);
  for (FlowBlock& block : flow.blocks) {
    std::erase_if(block.operations, [&](const Operation& one) { return leads_on(block, one); });
    Registers live = liveness.at_end(block);
    std::vector<Operation> kept;
    for (std::size_t at = block.operations.size(); at-- > 0;) {
      Operation& operation = block.operations[at];
      if (is_pure(operation) && (writes_of(operation) & live) == 0) continue;
      live = liveness.before(block, operation, live);
      kept.push_back(operation);
    }
    std::ranges::reverse(kept);
    block.operations = std::move(kept);
  }
}

namespace {
void clean(Flow& flow) {
  sweep(flow);
  drop_spills(flow);
  sweep(flow);
}
}  // namespace

void improve(Flow& flow, const ChipPlan& plan, bool by_port) {
  std::size_t operations = 0;
  for (const FlowBlock& block : flow.blocks) operations += block.operations.size();
  if (by_port && operations <= plan.room.bundles / 16 * 3) add_native(flow);
  branch_on_indexes(flow);
  guess_headers(flow);
  choose_length(flow, plan);
  propagate(flow, plan, false);
  clean(flow);
  count_at_once(flow);
  copy_together(flow);
  clean(flow);
  // What was copied in parts is known as a whole now.
  spread_values(flow);
  propagate(flow, plan, true);
  clean(flow);
  keep_keys(flow);
  clean(flow);
  count_pairs(flow, plan);
  sink_stores(flow);
  turn_branches(flow);
}

}  // namespace forager::jit::rtl
