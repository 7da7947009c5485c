// SPDX-License-Identifier: Apache-2.0
//
// Blocks one after the other, and branches to where they begin.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <unordered_map>
#include <vector>

#include "jit-backends/rtl/lower.h"
#include "jit-backends/rtl/schedule.h"

namespace forager::jit::rtl {
namespace {

class Placement {
 public:
  explicit Placement(const Code& code) : code_(code) {}

  Result<CoreProgram> run(const std::vector<OperationBlock>& blocks) {
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const std::uint32_t next = i + 1 < blocks.size() ? blocks[i + 1].begin : program::kNone;
      place_block(blocks[i], next);
    }
    place_leave();
    if (made_.bundles.size() > kMostBundles) return too_long();
    for (const Pending& branch : branches_) {
      made_.bundles[branch.bundle].slots[1].offset = static_cast<std::uint16_t>(begins_.at(branch.target));
    }
    return std::move(made_);
  }

 private:
  static constexpr std::size_t kMostBundles = 1U << 16;
  struct Pending {
    std::uint32_t bundle = 0, target = 0;
  };

  void place_block(const OperationBlock& block, std::uint32_t next) {
    begins_[block.begin] = static_cast<std::uint32_t>(made_.bundles.size());
    std::vector<Operation> operations = block.operations;
    const bool falls =
        !operations.empty() && operations.back().slot.op == CoreOp::BranchAlways && operations.back().target == next;
    if (falls) operations.pop_back();
    for (const Pair& pair : schedule(operations)) place(pair);
  }

  void place(const Pair& pair) {
    const auto bundle = static_cast<std::uint32_t>(made_.bundles.size());
    Bundle made;
    if (pair.first != nullptr) made.slots[0] = pair.first->slot;
    if (pair.first != nullptr && pair.first->beside) made.slots[1] = *pair.first->beside;
    if (pair.second != nullptr) made.slots[1] = pair.second->slot;
    made_.bundles.push_back(made);
    made_.instructions.push_back((pair.first != nullptr ? pair.first : pair.second)->instruction);
    if (pair.second != nullptr && pair.second->target != program::kNone) {
      branches_.push_back({bundle, pair.second->target});
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

Result<CoreProgram> place(const Code& code, const std::vector<OperationBlock>& blocks) {
  auto made = Placement(code).run(blocks);
  if (made) set_cleared(code, *made);
  return made;
}

}  // namespace forager::jit::rtl
