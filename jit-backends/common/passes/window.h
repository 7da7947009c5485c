// SPDX-License-Identifier: Apache-2.0
//
// Window: the steps of one block, for passes that look back from a step for those that made its operands.
//
// Tested by: through the passes that use it (fuse.cc, address.cc).
#pragma once

#include "jit-backends/common/code.h"

namespace forager::jit {

class Window {
 public:
  explicit Window(Code& code) : code_(code) {}

 protected:
  [[nodiscard]] Step& step(std::uint32_t at) const { return code_.steps[at]; }

  // The last step before `at` in the block that writes a register; kNone if there is none, or if a step between the
  // two reads it.
  [[nodiscard]] std::uint32_t sole_writer(std::uint32_t at, unsigned reg) const {
    for (std::uint32_t i = at; i-- > begin_;) {
      if ((writes_of(step(i)) & bit(reg)) != 0) return i;
      if ((reads_of(step(i)) & bit(reg)) != 0) return program::kNone;
    }
    return program::kNone;
  }
  [[nodiscard]] bool touched_between(std::uint32_t from, std::uint32_t to, verifier::RegisterSet regs,
                                     bool reads) const {
    for (std::uint32_t i = from + 1; i < to; ++i) {
      if (((writes_of(step(i)) | (reads ? reads_of(step(i)) : 0)) & regs) != 0) return true;
    }
    return false;
  }

  [[nodiscard]] bool is_alu(std::uint32_t at, Alu alu, bool imm) const {
    return at != program::kNone && step(at).kind == Kind::alu && step(at).alu == alu && step(at).has_imm == imm;
  }

  Code& code_;
  std::uint32_t begin_ = 0;  // of the block
};

}  // namespace forager::jit
