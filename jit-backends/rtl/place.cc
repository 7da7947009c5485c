// SPDX-License-Identifier: Apache-2.0
//
// Traces one after the other, and branches to where they begin.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <unordered_map>
#include <utility>
#include <vector>

#include "jit-backends/rtl/flow.h"
#include "jit-backends/rtl/schedule.h"
#include "jit-backends/rtl/slots.h"
#include "jit-backends/rtl/trace.h"

namespace forager::jit::rtl {
namespace {

class Placement {
 public:
  explicit Placement(const Code& code) : code_(code), early_(code.steps.size()) {}

  Result<CoreProgram> run(const Flow& flow) {
    std::vector<Trace> traces = traces_of(flow);
    for (Trace& trace : traces) place_trace(trace);
    forget_incomplete(flow);
    place_leave();
    if (made_.bundles.size() > kMostBundles) return too_long();
    for (const Pending& branch : branches_) {
      made_.bundles[branch.bundle].slots[branch.slot].offset = static_cast<std::uint16_t>(begins_.at(branch.target));
    }
    if (flow.long_entry != program::kNone) {
      made_.long_entry = begins_.at(flow.long_entry);
      made_.long_bytes = flow.long_bytes;
    }
    return std::move(made_);
  }

 private:
  struct Pending {
    std::uint32_t bundle = 0, slot = 0, target = 0;
  };

  void place_trace(Trace& trace) {
    begins_[trace.block] = static_cast<std::uint32_t>(made_.bundles.size());
    const auto first = static_cast<std::uint32_t>(made_.bundles.size());
    for (const Pair& pair : schedule(trace.operations, trace.live_at_end)) place(pair, trace);
    for (const Operation& operation : trace.operations) {
      if (operation.result && operation.slot.op == CoreOp::AluNop) early_[operation.instruction] = true;
    }
    made_.traces.resize(made_.bundles.size(), first);
    forget_early(first, trace);
  }

  // An instruction that has no result in some copy of its block (folded away, or early there) has none at all: which
  // execution a result belongs to could not be told.
  void forget_incomplete(const Flow& flow) {
    std::unordered_map<std::uint32_t, std::size_t> copies, results;
    for (const FlowBlock& block : flow.blocks) {
      for (std::uint32_t at = block.begin; at < end_of(block); ++at) ++copies[at];
      for (const Operation& operation : block.operations) results[operation.instruction] += operation.result ? 1 : 0;
    }
    std::vector<bool> complete(code_.steps.size());
    for (std::uint32_t at = 0; at < complete.size(); ++at) complete[at] = results[at] == copies[at] && !early_[at];
    for (auto& bundle : made_.origins) {
      for (Origin& origin : bundle) origin.result = origin.result && complete[origin.instruction];
    }
  }

  // The block before the first has no instructions.
  [[nodiscard]] std::uint32_t end_of(const FlowBlock& block) const {
    const program::Program& of = code_.program->program();
    if (block.begin >= of.instructions().size()) return block.begin;
    return std::min(block.end, of.blocks()[of.block_of(block.begin)].end);
  }

  // What stands before or beside a branch that it comes after is executed too often.
  void forget_early(std::uint32_t first, const Trace& trace) {
    std::uint32_t branch = program::kNone;
    for (auto bundle = static_cast<std::uint32_t>(made_.bundles.size()); bundle-- > first;) {
      for (const Origin& origin : made_.origins[bundle]) {
        if (origin.instruction != program::kNone && leaves(trace.operations[origin.order].slot))
          branch = std::min(branch, origin.order);
      }
      for (Origin& origin : made_.origins[bundle]) {
        if (!origin.result || origin.order < branch) continue;
        origin.result = false;
        early_[origin.instruction] = true;
      }
    }
  }

  static Origin origin_of(const Operation* operation, const Trace& trace) {
    if (operation == nullptr) return {};
    return {operation->instruction, operation->result, static_cast<std::uint32_t>(operation - trace.operations.data())};
  }

  void place(const Pair& pair, const Trace& trace) {
    const auto bundle = static_cast<std::uint32_t>(made_.bundles.size());
    Bundle made;
    if (pair.first != nullptr) made.slots[0] = pair.first->slot;
    if (pair.first != nullptr && pair.first->beside) made.slots[1] = *pair.first->beside;
    if (pair.second != nullptr) made.slots[1] = pair.second->slot;
    made_.bundles.push_back(made);
    made_.instructions.push_back((pair.first != nullptr ? pair.first : pair.second)->instruction);
    made_.origins.push_back({origin_of(pair.first, trace), origin_of(pair.second, trace)});
    for (const auto& [operation, slot] : {std::pair{pair.first, 0U}, std::pair{pair.second, 1U}}) {
      if (operation != nullptr && operation->target != program::kNone)
        branches_.push_back({bundle, slot, operation->target});
    }
    if (pair.first != nullptr && pair.first->relocation) {
      made_.relocations.push_back(*pair.first->relocation);
      made_.relocations.back().bundle = bundle;
    }
  }

  void place_leave() {
    made_.leave = static_cast<std::uint32_t>(made_.bundles.size());
    made_.bundles.push_back({.slots = {Slot{.op = CoreOp::AluMov, .d = 0, .use_imm = true},
                                       Slot{.op = CoreOp::ControlRet, .use_imm = true}}});
    made_.instructions.push_back(0);
    made_.origins.push_back({});
    made_.traces.push_back(made_.leave);
  }

  [[nodiscard]] std::unexpected<Diagnostic> too_long() const {
    auto error = fail(ErrorKind::limit, E2BIG,
                      fmt::format("program {} is too long for the core, in bundles", code_.program->program().name()));
    error.error().limit = kMostBundles;
    error.error().asked = made_.bundles.size();
    return error;
  }

  const Code& code_;
  CoreProgram made_;
  std::unordered_map<std::uint32_t, std::uint32_t> begins_;
  std::vector<Pending> branches_;
  std::vector<bool> early_;  // instructions whose result was not to be kept, or is nowhere
};

void set_cleared(const Code& code, CoreProgram& made) {
  constexpr std::uint32_t kRow = 64;
  for (const Cleared& range : code.cleared) {
    if (range.end == 0) continue;
    made.cleared_rows = std::max(made.cleared_rows, (isa::kStackBytes - range.begin / kRow * kRow) / kRow);
  }
  made.frames = code.cleared.size() > 1 ? isa::kMaxCallFrames : 1;
}

}  // namespace

Result<CoreProgram> place(const Code& code, const Flow& flow) {
  auto made = Placement(code).run(flow);
  if (made) set_cleared(code, *made);
  return made;
}

}  // namespace forager::jit::rtl
