// SPDX-License-Identifier: Apache-2.0
//
// Addresses of two registers, which BPF has to add up first, and zeros that are stored side by side.
#include <algorithm>
#include <cstdlib>

#include "jit-backends/common/passes/liveness.h"
#include "jit-backends/common/passes/passes.h"
#include "jit-backends/common/passes/window.h"

namespace forager::jit {
namespace {

class Addresser : private Window {
 public:
  explicit Addresser(Code& code) : Window(code), liveness_(code) {}

  void run(std::uint32_t number) {
    const program::Block& block = code_.program->program().blocks()[number];
    begin_ = block.begin;
    verifier::RegisterSet live = liveness_.at_end(number);
    for (std::uint32_t at = block.end; at-- > block.begin;) {
      add_index(at, live);
      join_zeros(at);
      live = live_before(step(at), live);
    }
  }

 private:
  // a = b; a += c; access at a: an access at b + c, if nobody reads a afterwards. The copy may be missing.
  void add_index(std::uint32_t at, verifier::RegisterSet live) const {
    Step& access = step(at);
    const bool loads = access.kind == Kind::load || access.kind == Kind::load_swapped;
    if ((!loads && access.kind != Kind::store) || access.checked || access.bytes > 8) return;
    std::uint8_t& base = loads ? access.src : access.dst;
    const std::uint8_t sum = base;
    const bool overwritten = loads && access.dst == sum, stored = !loads && !access.has_imm && access.src == sum;
    if (stored || (!overwritten && (live & bit(sum)) != 0)) return;
    const std::uint32_t added = sole_writer(at, sum);
    if (!is_alu(added, Alu::add, false) || step(added).width != 64) return;
    const std::uint8_t index = step(added).src;
    if (index == sum || touched_between(added, at, bit(index), false)) return;
    const std::uint32_t copied = sole_writer(added, sum);
    const bool copies = is_alu(copied, Alu::mov, false) && step(copied).width == 64 &&
                        !touched_between(copied, at, bit(step(copied).src), false);
    if (copies) {
      base = step(copied).src;
      step(copied) = {};
    }
    access.index = index;
    step(added) = {};
  }

  [[nodiscard]] static bool stores_zero(const Step& step) {
    return step.kind == Kind::store && step.has_imm && step.imm == 0 && step.bytes == 8 && step.index == kNoIndex &&
           !step.checked;
  }

  void join_zeros(std::uint32_t at) const {
    std::uint32_t before = at;
    while (before > begin_ && step(--before).kind == Kind::none) continue;
    Step& last = step(at);
    if (before == at || !stores_zero(last) || !stores_zero(step(before)) || step(before).dst != last.dst) return;
    if (std::abs(step(before).offset - last.offset) != 8) return;
    if (code_.facts(before).access.region != code_.facts(at).access.region) return;
    last.offset = std::min(last.offset, step(before).offset);
    last.bytes = 16;
    step(before) = {};
  }

  Liveness liveness_;
};

}  // namespace

void address(Code& code) {
  Addresser addresser(code);
  for (const std::uint32_t block : code.layout) addresser.run(block);
}

}  // namespace forager::jit
