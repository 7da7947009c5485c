// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/variants.h"

#include <algorithm>

#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {

Propagation::Propagation(Flow& flow, const ChipPlan& plan)
    : flow_(flow), plan_(plan), liveness_(flow), stack_(flow), in_(flow.blocks.size()), variants_(flow.blocks.size()) {
  for (std::uint32_t i = 0; i < flow.blocks.size(); ++i) origin_.push_back(i);
  room_ = plan.room.bundles / 8;
  enter(0, {});
  if (flow_.long_entry != program::kNone) {
    State at;
    at.packet_bytes = flow_.long_bytes;
    enter(flow_.long_entry, at);
  }
  while (!open_.empty()) {
    const std::uint32_t block = open_.front();
    open_.pop_front();
    walk(block);
  }
}

std::uint32_t Propagation::enter(std::uint32_t block, const State& at) {
  auto& variants = variants_[origin_[block]];
  const auto same = std::ranges::find_if(variants, [&](std::uint32_t one) { return alike(one, at); });
  if (same != variants.end()) return join(*same, at);
  const std::size_t size = flow_.blocks[block].operations.size();
  const bool another = flow_.blocks[block].native && variants.size() < kMostVariants && size <= room_;
  if (!variants.empty() && !another) return join(variants.back(), at);
  if (variants.empty()) return begin(origin_[block], at);
  room_ -= size;
  const auto fresh = static_cast<std::uint32_t>(flow_.blocks.size());
  flow_.blocks.push_back(FlowBlock(flow_.blocks[block]));
  origin_.push_back(origin_[block]);
  in_.emplace_back();
  return begin(fresh, at);
}

std::uint32_t Propagation::begin(std::uint32_t block, const State& at) {
  variants_[origin_[block]].push_back(block);
  in_[block] = at;
  open_.push_back(block);
  return block;
}

std::uint32_t Propagation::join(std::uint32_t block, const State& at) {
  if (in_[block]->meet(at)) open_.push_back(block);
  return block;
}

bool Propagation::alike(std::uint32_t block, const State& at) const {
  const Registers live = liveness_.at_begin(origin_[block]);
  for (std::uint8_t reg = 0; reg < kRegisters; ++reg) {
    const Value &here = in_[block]->known[reg].value, &there = at.known[reg].value;
    const bool telling = !here.has_register() || !there.has_register();
    if ((live & only(reg)) != 0 && telling && !(here == there)) return false;
  }
  return !in_[block]->stack.tells_apart(at.stack, stack_.at_begin(origin_[block]));
}

void Propagation::walk(std::uint32_t number) {
  State at = *in_[number];
  const bool native = flow_.blocks[number].native;
  for (std::size_t i = 0; i < flow_.blocks[number].operations.size(); ++i) {
    const Operation operation = flow_.blocks[number].operations[i];
    const auto lead = [&](const State& there) {
      const std::uint32_t target = enter(operation.target, there);
      flow_.blocks[number].operations[i].target = target;
    };
    if (operation.slot.op == CoreOp::ControlCall) lead({});
    if (class_of(operation.slot.op) == CoreClass::Branch) {
      const Comparison of = comparison(operation.slot, at);
      if (of.decided != false) {
        State there = at;
        learn(operation.slot, true, there);
        lead(there);
      }
      if (of.decided == true) return;
      learn(operation.slot, false, at);
    }
    step_over(operation, at, native, plan_);
  }
  const std::uint32_t next = flow_.blocks[number].next;
  if (next != program::kNone) {
    const std::uint32_t there = enter(next, at);
    flow_.blocks[number].next = there;
  }
}

}  // namespace forager::jit::rtl
