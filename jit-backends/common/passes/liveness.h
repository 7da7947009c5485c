// SPDX-License-Identifier: Apache-2.0
//
// Which registers may still be read, by the steps as they are.
//
// Tested by: through the passes that ask (sweep.cc, address.cc).
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "jit-backends/common/code.h"

namespace forager::jit {

// Live before a step, of what is live after it.
[[nodiscard]] inline verifier::RegisterSet live_before(const Step& step, verifier::RegisterSet after) {
  return static_cast<verifier::RegisterSet>((after & ~writes_of(step)) | reads_of(step));
}

class Liveness {
 public:
  explicit Liveness(const Code& code)
      : code_(code), blocks_(code.program->program().blocks()), effects_(blocks_.size()), at_begin_(blocks_.size()) {
    // All blocks: those that arrange() cut off lead on to others.
    const auto count = static_cast<std::uint32_t>(blocks_.size());
    for (std::uint32_t block = 0; block < count; ++block) effects_[block] = effect_of(blocks_[block]);
    bool changed = true;
    while (changed) {
      changed = false;
      for (std::uint32_t block = count; block-- > 0;) changed = update(block) || changed;
    }
  }

  [[nodiscard]] verifier::RegisterSet at_end(std::uint32_t block) const {
    verifier::RegisterSet live = 0;
    for (const std::uint32_t next : blocks_[block].successors) live |= at_begin_[next];
    return live;
  }

 private:
  // Of a whole block: what it reads before it writes it, and what it leaves as it was.
  struct Effect {
    verifier::RegisterSet reads = 0, keeps = 0;
  };

  [[nodiscard]] Effect effect_of(const program::Block& block) const {
    Effect effect{.keeps = static_cast<verifier::RegisterSet>(~0U)};
    for (std::uint32_t at = block.end; at-- > block.begin;) {
      const verifier::RegisterSet writes = writes_of(code_.steps[at]);
      effect.keeps = static_cast<verifier::RegisterSet>(effect.keeps & ~writes);
      effect.reads = live_before(code_.steps[at], effect.reads);
    }
    return effect;
  }

  bool update(std::uint32_t block) {
    const Effect& effect = effects_[block];
    const auto live = static_cast<verifier::RegisterSet>((at_end(block) & effect.keeps) | effect.reads);
    return std::exchange(at_begin_[block], live) != live;
  }

  const Code& code_;
  std::span<const program::Block> blocks_;
  std::vector<Effect> effects_;
  std::vector<verifier::RegisterSet> at_begin_;
};

}  // namespace forager::jit
