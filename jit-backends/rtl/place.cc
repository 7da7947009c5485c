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
#include "jit-backends/rtl/trace.h"

namespace forager::jit::rtl {
namespace {

class Placement {
 public:
  explicit Placement(const Code& code) : code_(code) {}

  Result<CoreProgram> run(const Flow& flow) {
    std::vector<Trace> traces = traces_of(flow);
    for (Trace& trace : traces) place_trace(trace);
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
  static constexpr std::size_t kMostBundles = 1U << 16;
  struct Pending {
    std::uint32_t bundle = 0, slot = 0, target = 0;
  };

  void place_trace(Trace& trace) {
    begins_[trace.block] = static_cast<std::uint32_t>(made_.bundles.size());
    for (const Pair& pair : schedule(trace.operations, trace.live_at_end)) place(pair);
  }

  void place(const Pair& pair) {
    const auto bundle = static_cast<std::uint32_t>(made_.bundles.size());
    Bundle made;
    if (pair.first != nullptr) made.slots[0] = pair.first->slot;
    if (pair.first != nullptr && pair.first->beside) made.slots[1] = *pair.first->beside;
    if (pair.second != nullptr) made.slots[1] = pair.second->slot;
    made_.bundles.push_back(made);
    made_.instructions.push_back((pair.first != nullptr ? pair.first : pair.second)->instruction);
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
