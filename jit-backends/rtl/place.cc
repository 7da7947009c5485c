// SPDX-License-Identifier: Apache-2.0
//
// Operations into bundles, and blocks one after the other. Both halves of a bundle read registers before either writes, so
// an operation joins the one before it where it needs nothing of that one's and there is a lane for each.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <unordered_map>

#include "jit-backends/rtl/lower.h"

namespace forager::jit::rtl {
namespace {

CoreClass class_of(CoreOp op) { return static_cast<CoreClass>(static_cast<unsigned>(op) >> 4); }

bool leaves(const Slot& slot) {
  const CoreClass of = class_of(slot.op);
  return of == CoreClass::Branch || of == CoreClass::Control;
}
bool fits_lane1(const Slot& slot) { return leaves(slot) || class_of(slot.op) == CoreClass::Alu; }

bool writes_result(const Slot& slot) {
  switch (class_of(slot.op)) {
    case CoreClass::Alu:
      return slot.op != CoreOp::AluNop;
    case CoreClass::Unit:
    case CoreClass::Load:
      return true;
    case CoreClass::Atomic:
      return (static_cast<unsigned>(slot.op) & kFetches) != 0;
    case CoreClass::Local:
      return slot.op != CoreOp::LocalKeep;
    default:
      return false;
  }
}

// As if every operation read both; those that do not have r0 there, or their own.
bool reads(const Slot& slot, std::uint8_t reg) { return slot.a == reg || (!slot.use_imm && slot.b == reg); }

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
    open_ = nullptr;
    for (const Operation& operation : block.operations) {
      const bool last = &operation == &block.operations.back();
      if (last && operation.slot.op == CoreOp::BranchAlways && operation.target == next) break;
      place(operation);
    }
  }

  void place(const Operation& operation) {
    if (!join(operation)) begin(operation);
    const auto bundle = static_cast<std::uint32_t>(made_.bundles.size() - 1);
    if (operation.target != program::kNone) branches_.push_back({bundle, operation.target});
    if (operation.relocation) {
      made_.relocations.push_back(*operation.relocation);
      made_.relocations.back().bundle = bundle;
    }
    if (leaves(operation.slot) || operation.beside) open_ = nullptr;
  }

  void begin(const Operation& operation) {
    Bundle bundle;
    bundle.slots[leaves(operation.slot) ? 1 : 0] = operation.slot;
    if (operation.beside) bundle.slots[1] = *operation.beside;
    made_.bundles.push_back(bundle);
    made_.instructions.push_back(operation.instruction);
    open_ = &operation;
  }

  // Beside the operation that began the last bundle.
  bool join(const Operation& operation) {
    if (open_ == nullptr || operation.beside) return false;
    const Slot& first = open_->slot;
    const Slot& second = operation.slot;
    if (writes_result(first) && (reads(second, first.d) || (writes_result(second) && second.d == first.d))) return false;
    Bundle& bundle = made_.bundles.back();
    if (fits_lane1(second)) {
      bundle.slots[1] = second;
    } else if (fits_lane1(first)) {
      bundle.slots = {second, first};
      made_.instructions.back() = operation.instruction;  // who asks the host, or reaches memory
    } else {
      return false;
    }
    open_ = nullptr;
    return true;
  }

  void place_leave() {
    made_.leave = static_cast<std::uint32_t>(made_.bundles.size());
    made_.bundles.push_back({.slots = {Slot{.op = CoreOp::AluMov, .d = 0, .use_imm = true},
                                       Slot{.op = CoreOp::ControlRet, .use_imm = true}}});
    made_.instructions.push_back(0);
  }

  [[nodiscard]] std::unexpected<Diagnostic> too_long() const {
    auto error = fail(ErrorKind::limit, E2BIG, fmt::format("program {} is too long for the core, in bundles",
                                                           code_.program->program().name()));
    error.error().limit = kMostBundles;
    error.error().asked = made_.bundles.size();
    return error;
  }

  const Code& code_;
  CoreProgram made_;
  const Operation* open_ = nullptr;  // alone in the last bundle, which has room
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
