// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/compose.h"

#include <algorithm>
#include <iterator>

namespace forager::jit::rtl {

bool Composer::add(const Value& part, std::int64_t bytes) {
  const auto bits = static_cast<unsigned>(8 * bytes);
  if (part.is_constant()) {
    constant_ = (bits < 64 ? constant_ << bits : 0) | static_cast<std::uint64_t>(part.offset);
    pending_ += bits;
    return fits(constant_);
  }
  if (!part.is_copy()) return false;
  constant_ = bits < 64 ? constant_ << bits : 0;
  pending_ += bits;
  if (!fits(constant_)) return false;
  const std::uint8_t d = of_.slot.d;
  const bool first = !begun_;
  if (first && constant_ == 0) {
    put({.op = CoreOp::AluMov, .d = d, .b = part.reg});
  } else if (first) {
    put({.op = CoreOp::AluOr, .d = d, .a = part.reg, .use_imm = true, .imm = static_cast<std::uint32_t>(constant_)});
  } else {
    put_constant();
    put({.op = CoreOp::AluOr, .d = d, .a = d, .b = part.reg});
  }
  begun_ = true;
  constant_ = 0;
  pending_ = 0;
  return true;
}

void Composer::finish() {
  if (!begun_) {
    put({.op = CoreOp::AluMov, .d = of_.slot.d, .use_imm = true, .imm = static_cast<std::uint32_t>(constant_)});
  } else {
    put_constant();
  }
  made_.back().result = of_.result;
  std::ranges::move(made_, std::back_inserter(out_));
}

// What is in the register goes up by what came after it.
void Composer::put_constant() {
  const std::uint8_t d = of_.slot.d;
  if (pending_ != 0) put({.op = CoreOp::AluLsh, .d = d, .a = d, .use_imm = true, .imm = pending_});
  if (constant_ != 0)
    put({.op = CoreOp::AluOr, .d = d, .a = d, .use_imm = true, .imm = static_cast<std::uint32_t>(constant_)});
  pending_ = 0;
  constant_ = 0;
}

void Composer::put(Slot slot) { made_.push_back({.slot = slot, .instruction = of_.instruction}); }

}  // namespace forager::jit::rtl
