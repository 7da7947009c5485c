// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/verifier/minimise.h"

#include <algorithm>

#include "tests/fuzz/verifier/code.h"

namespace forager::fuzz {
namespace {

bool shrink_ranges(Slots& program, const Shows& shows) {
  bool any = false;
  for (std::size_t length = std::max<std::size_t>(1, program.size() / 4); length > 0; length /= 2) {
    for (std::size_t at = 0; at + length <= program.size();) {
      std::vector<bool> gone(program.size(), false);
      std::fill_n(gone.begin() + static_cast<std::ptrdiff_t>(at), length, true);
      Slots smaller = without(program, gone);
      if (smaller.size() < program.size() && !smaller.empty() && shows(smaller)) {
        program = std::move(smaller);
        any = true;
      } else {
        ++at;
      }
    }
  }
  return any;
}

// Numbers become small, branches certain.
bool simplify(Slots& program, const Shows& shows) {
  bool any = false;
  for (std::size_t at = 0; at < program.size(); ++at) {
    if (at > 0 && is_wide(program[at - 1])) continue;
    const auto attempt = [&](const Slot& with) {
      if (with == program[at]) return;
      Slots changed = program;
      changed[at] = with;
      if (!shows(changed)) return;
      program = std::move(changed);
      any = true;
    };
    const Slot one = program[at];
    if (is_jump(one)) {
      attempt(nothing());
      Slot always = nothing();
      always.offset = one.offset;
      if (one.opcode != always.opcode) attempt(always);
    } else if (BPF_CLASS(one.opcode) == BPF_LDX || is_wide(one)) {
      if (!is_wide(one)) attempt(mov(one.dst, 0));
    } else if (one.imm != 0 && BPF_CLASS(one.opcode) != BPF_JMP && BPF_OP(one.opcode) != BPF_END) {
      for (const int number : {0, 1}) {
        Slot small = one;
        small.imm = number;
        if (program[at].imm == one.imm && one.imm != 1) attempt(small);
      }
    }
  }
  return any;
}

}  // namespace

Slots without(const Slots& program, const std::vector<bool>& gone) {
  std::vector<bool> leaves = gone;
  for (std::size_t i = 0; i + 1 < program.size(); ++i) {  // both halves or none
    if (is_wide(program[i])) leaves[i] = leaves[i + 1] = gone[i] && gone[i + 1];
  }
  std::vector<std::int64_t> place(program.size() + 1);
  for (std::size_t i = 0; i < program.size(); ++i) place[i + 1] = place[i] + (leaves[i] ? 0 : 1);
  Slots out;
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (leaves[i]) continue;
    Slot one = program[i];
    const std::int64_t distance = is_local_call(one) ? one.imm : is_jump(one) ? one.offset : 0;
    const std::int64_t to = static_cast<std::int64_t>(i) + 1 + distance;
    if (to >= 0 && to <= static_cast<std::int64_t>(program.size())) {
      const std::int64_t now = place[static_cast<std::size_t>(to)] - place[i] - 1;
      if (is_local_call(one)) one.imm = static_cast<std::int32_t>(now);
      if (is_jump(one)) one.offset = static_cast<std::int16_t>(now);
    }
    out.push_back(one);
  }
  return out;
}

Slots minimise(Slots program, const Shows& shows) {
  for (unsigned rounds = 0; rounds < 8; ++rounds) {
    const bool smaller = shrink_ranges(program, shows);
    const bool simpler = simplify(program, shows);
    if (!smaller && !simpler) break;
  }
  return program;
}

}  // namespace forager::fuzz
