// SPDX-License-Identifier: Apache-2.0
//
// Liveness of registers, function by function, and the removal of steps whose result nobody reads.
#include <algorithm>
#include <ranges>

#include "jit-backends/common/passes.h"

namespace forager::jit {
namespace {

using verifier::RegisterSet;

// Nothing but its result would be missed. A load that the verifier proved cannot fault.
bool is_pure(const Step& step) { return only_makes_result(step) && !step.checked && step.kind != Kind::load_context; }

// Live before a step, of what is live after it.
RegisterSet before(const Step& step, RegisterSet after) {
  return static_cast<RegisterSet>((after & ~writes_of(step)) | reads_of(step));
}

class Liveness {
 public:
  explicit Liveness(const Code& code)
      : code_(code), blocks_(code.program->program().blocks()), at_begin_(blocks_.size()) {
    bool changed = true;
    while (changed) {
      changed = false;
      for (const std::uint32_t block : std::views::reverse(code.layout)) changed = update(block) || changed;
    }
  }

  [[nodiscard]] RegisterSet at_end(std::uint32_t block) const {
    RegisterSet live = 0;
    for (const std::uint32_t next : blocks_[block].successors) live |= at_begin_[next];
    return live;
  }

 private:
  bool update(std::uint32_t block) {
    RegisterSet live = at_end(block);
    for (std::uint32_t at = blocks_[block].end; at-- > blocks_[block].begin;) live = before(code_.steps[at], live);
    return std::exchange(at_begin_[block], live) != live;
  }

  const Code& code_;
  std::span<const program::Block> blocks_;
  std::vector<RegisterSet> at_begin_;
};

}  // namespace

void sweep(Code& code) {
  const Liveness liveness(code);
  const auto blocks = code.program->program().blocks();
  for (const std::uint32_t block : code.layout) {
    RegisterSet live = liveness.at_end(block);
    for (std::uint32_t at = blocks[block].end; at-- > blocks[block].begin;) {
      Step& step = code.steps[at];
      if (is_pure(step) && (writes_of(step) & live) == 0) step = {};
      live = before(step, live);
    }
  }
}

}  // namespace forager::jit
