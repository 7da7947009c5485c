// SPDX-License-Identifier: Apache-2.0
//
// Peepholes: what clang has to write as several BPF instructions and a processor does in one. A pattern is looked for
// from its last instruction backwards, within a block; the last one becomes the fused step, the others nothing.
#include <algorithm>

#include "jit-backends/common/passes/passes.h"
#include "jit-backends/common/passes/window.h"

namespace forager::jit {
namespace {

class Fuser : private Window {
 public:
  using Window::Window;

  void run(const program::Block& block) {
    begin_ = block.begin;
    for (std::uint32_t at = block.begin; at < block.end; ++at) {
      if (step(at).kind == Kind::none) continue;
      std::ignore = extension(at) || network_load(at) || rotation(at) || addition(at);
    }
  }

 private:
  // r <<= 32; r >>= 32: the low half of r, without or with its sign.
  bool extension(std::uint32_t at) const {
    Step& last = step(at);
    const bool shifts = is_alu(at, Alu::rsh, true) || is_alu(at, Alu::arsh, true);
    if (!shifts || last.width != 64 || last.imm != 32) return false;
    const std::uint32_t first = sole_writer(at, last.dst);
    if (!is_alu(first, Alu::lsh, true) || step(first).width != 64 || step(first).imm != 32) return false;
    const bool sign = last.alu == Alu::arsh;
    last = {.kind = sign ? Kind::extend : Kind::truncate, .dst = last.dst, .src = last.dst, .width = 64, .bytes = 4};
    step(first) = {};
    return true;
  }

  // A load and the swap of all of its bytes.
  bool network_load(std::uint32_t at) const {
    Step& last = step(at);
    if (last.kind != Kind::swap) return false;
    const std::uint32_t first = sole_writer(at, last.dst);
    if (first == program::kNone || step(first).kind != Kind::load || step(first).bytes != last.bytes) return false;
    if (step(first).sign) return false;
    // The load stays where it is: memory may change between the two.
    step(first).kind = Kind::load_swapped;
    last = {};
    return true;
  }

  // a = b; a <<= n; b >>= width - n; a |= b, in any order and with a and b in either part; the one that is not the
  // result is dead afterwards. Or both are copies of a third.
  bool rotation(std::uint32_t at) const {
    const Step last = step(at);
    if (!is_alu(at, Alu::bit_or, false) || last.dst == last.src) return false;
    if ((code_.facts(at).live & bit(last.src)) != 0) return false;
    const std::uint32_t one = sole_writer(at, last.dst), other = sole_writer(at, last.src);
    if (one == program::kNone || other == program::kNone) return false;
    const std::uint32_t left = step(one).alu == Alu::lsh ? one : other, right = left == one ? other : one;
    if (!is_alu(left, Alu::lsh, true) || !is_alu(right, Alu::rsh, true)) return false;
    const unsigned width = last.width;
    if (step(left).width != width || step(right).width != width) return false;
    if (step(left).imm + step(right).imm != width || step(left).imm == 0 || step(right).imm == 0) return false;
    return rotate(at, left, right) || rotate_third(at, left, right);
  }

  bool rotate_third(std::uint32_t at, std::uint32_t left, std::uint32_t right) const {
    const Step last = step(at);
    const std::uint32_t one = sole_writer(left, step(left).dst), other = sole_writer(right, step(right).dst);
    if (!is_alu(one, Alu::mov, false) || !is_alu(other, Alu::mov, false)) return false;
    const std::uint8_t original = step(one).src;
    const bool same = step(other).src == original && original != last.dst && original != last.src;
    if (!same || step(one).width < last.width || step(other).width < last.width) return false;
    if (touched_between(std::min(one, other), at, bit(original), false)) return false;
    const auto by = step(left).imm;
    for (const std::uint32_t gone : {one, other, left, right}) step(gone) = {};
    step(at) = {.kind = Kind::rotate, .dst = last.dst, .src = original, .width = last.width, .imm = by};
    return true;
  }

  bool rotate(std::uint32_t at, std::uint32_t left, std::uint32_t right) const {
    const Step last = step(at);
    for (const auto& [copy, original] : {std::pair{last.dst, last.src}, std::pair{last.src, last.dst}}) {
      const std::uint32_t copied = sole_writer(std::min(left, right), copy);
      if (!is_alu(copied, Alu::mov, false) || step(copied).src != original || step(copied).width < last.width) continue;
      const std::uint32_t original_shift = step(left).dst == original ? left : right;
      const std::uint32_t copy_shift = original_shift == left ? right : left;
      if (step(copy_shift).dst != copy || step(original_shift).dst != original) continue;
      if (touched_between(copied, copy_shift, bit(copy), true)) continue;
      if (touched_between(copied, original_shift, bit(original), false)) continue;
      const auto by = step(left).imm;
      for (const std::uint32_t gone : {copied, left, right}) step(gone) = {};
      step(at) = {.kind = Kind::rotate, .dst = last.dst, .src = original, .width = last.width, .imm = by};
      return true;
    }
    return false;
  }

  // a = b; a += n.
  bool addition(std::uint32_t at) const {
    const Step last = step(at);
    if (!is_alu(at, Alu::add, true)) return false;
    const std::uint32_t first = sole_writer(at, last.dst);
    if (!is_alu(first, Alu::mov, false) || step(first).width < last.width) return false;
    const std::uint8_t from = step(first).src;
    if (from == last.dst || touched_between(first, at, bit(from), false)) return false;
    step(first) = {};
    step(at) = {.kind = Kind::add_to, .dst = last.dst, .src = from, .width = last.width, .imm = last.imm};
    return true;
  }
};

}  // namespace

void fuse(Code& code) {
  Fuser fuser(code);
  for (const std::uint32_t block : code.layout) fuser.run(code.program->program().blocks()[block]);
}

}  // namespace forager::jit
