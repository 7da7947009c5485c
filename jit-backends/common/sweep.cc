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
      : code_(code), blocks_(code.program->program().blocks()), effects_(blocks_.size()), at_begin_(blocks_.size()) {
    for (const std::uint32_t block : code.layout) effects_[block] = effect_of(blocks_[block]);
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
  // Of a whole block: what it reads before it writes it, and what it leaves as it was.
  struct Effect {
    RegisterSet reads = 0, keeps = 0;
  };

  [[nodiscard]] Effect effect_of(const program::Block& block) const {
    Effect effect{.keeps = static_cast<RegisterSet>(~0U)};
    for (std::uint32_t at = block.end; at-- > block.begin;) {
      const RegisterSet writes = writes_of(code_.steps[at]);
      effect.keeps = static_cast<RegisterSet>(effect.keeps & ~writes);
      effect.reads = before(code_.steps[at], effect.reads);
    }
    return effect;
  }

  bool update(std::uint32_t block) {
    const Effect& effect = effects_[block];
    const auto live = static_cast<RegisterSet>((at_end(block) & effect.keeps) | effect.reads);
    return std::exchange(at_begin_[block], live) != live;
  }

  const Code& code_;
  std::span<const program::Block> blocks_;
  std::vector<Effect> effects_;
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
