// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/trace.h"

#include <algorithm>

#include "jit-backends/rtl/slots.h"

namespace forager::jit::rtl {
namespace {

constexpr std::size_t kShort = 12;   // operations of a block that may be there twice
constexpr std::size_t kAdded = 256;  // operations that are, beyond those of the program

bool always_leaves(const FlowBlock& block) {
  if (block.operations.empty()) return false;
  const CoreOp last = block.operations.back().slot.op;
  return last == CoreOp::ControlRet || last == CoreOp::ControlTrap;
}

class Tracer {
 public:
  explicit Tracer(const Flow& flow)
      : flow_(flow),
        liveness_(flow),
        entries_(flow.blocks.size(), 0),
        placed_(flow.blocks.size(), false),
        begun_(placed_) {
    for (const FlowBlock& block : flow.blocks) {
      room_ += block.operations.size();
      if (block.next != program::kNone) ++entries_[block.next];
      for (const Operation& operation : block.operations) {
        // A function is nobody's continuation.
        if (operation.target != program::kNone)
          entries_[operation.target] += operation.slot.op == CoreOp::ControlCall ? 2 : 1;
      }
    }
    if (flow.long_entry != program::kNone) entries_[flow.long_entry] += 2;
  }

  std::vector<Trace> run() {
    all_from(0);
    if (flow_.long_entry != program::kNone) all_from(flow_.long_entry);
    return std::move(traces_);
  }

 private:
  void all_from(std::uint32_t first) {
    open_.push_back(first);
    while (!open_.empty()) {
      const std::uint32_t block = open_.back();
      open_.pop_back();
      if (!begun_[block]) begin(block);
    }
  }

  // A trace, and those that it goes on with.
  void begin(std::uint32_t block) {
    while (block != program::kNone) block = trace(block);
  }

  // The block that has to stand behind it; kNone if there is none.
  std::uint32_t trace(std::uint32_t block) {
    traces_.push_back({.block = block});
    begun_[block] = true;
    std::vector<std::uint32_t> inside;
    for (;;) {
      placed_[block] = placed_[block] || inside.empty() || entries_[block] == 1;
      inside.push_back(block);
      append(flow_.blocks[block]);
      const FlowBlock& last = flow_.blocks[block];
      if (always_leaves(last)) return program::kNone;
      if (last.next == program::kNone) return stop();
      if (!goes_on(last.next, inside)) return leave(last.next);
      block = last.next;
    }
  }

  [[nodiscard]] bool goes_on(std::uint32_t next, const std::vector<std::uint32_t>& inside) {
    if (std::ranges::find(inside, next) != inside.end()) return false;
    if (entries_[next] == 1 && !placed_[next]) return true;
    const std::size_t size = flow_.blocks[next].operations.size();
    if (size > kShort || added_ + size > room_ + kAdded) return false;
    added_ += size;
    return true;
  }

  void append(const FlowBlock& block) {
    for (Operation operation : block.operations) {
      operation.live_there = live_there(block, operation);
      if (operation.target != program::kNone) open_.push_back(operation.target);
      traces_.back().operations.push_back(operation);
    }
  }
  [[nodiscard]] Registers live_there(const FlowBlock& block, const Operation& operation) const {
    if (operation.slot.op == CoreOp::ControlCall) return reads_of(operation);
    if (operation.slot.op == CoreOp::ControlRet) return block.function ? only(0) : Registers{0};
    return operation.target == program::kNone ? Registers{0} : liveness_.at_begin(operation.target);
  }

  std::uint32_t leave(std::uint32_t next) {
    Trace& trace = traces_.back();
    trace.live_at_end = liveness_.at_begin(next);
    if (!begun_[next]) return next;
    trace.operations.push_back({.slot = {.op = CoreOp::BranchAlways}, .target = next, .live_there = trace.live_at_end});
    if (trace.operations.size() > 1) trace.operations.back().instruction = trace.operations.end()[-2].instruction;
    return program::kNone;
  }
  // Nobody comes there.
  std::uint32_t stop() {
    traces_.back().operations.push_back({.slot = {.op = CoreOp::ControlTrap}, .live_there = 0});
    return program::kNone;
  }

  const Flow& flow_;
  const FlowLiveness liveness_;
  std::vector<std::uint32_t> entries_;  // ways to a block
  std::vector<bool> placed_;            // somewhere
  std::vector<bool> begun_;             // ... at the begin of a trace, where others may lead
  std::vector<std::uint32_t> open_;
  std::vector<Trace> traces_;
  std::size_t room_ = 0, added_ = 0;
};

}  // namespace

std::vector<Trace> traces_of(const Flow& flow) { return Tracer(flow).run(); }

}  // namespace forager::jit::rtl
