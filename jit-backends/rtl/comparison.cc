// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/comparison.h"

#include <algorithm>
#include <bit>

namespace forager::jit::rtl {
namespace {

using Base = Value::Base;

constexpr std::int64_t kFar = 1 << 16;  // offsets beyond this are not looked through

std::uint64_t bits_of(const Value& value) { return static_cast<std::uint64_t>(value.offset); }

CoreOp turned(CoreOp op) {
  switch (op) {
    case CoreOp::BranchGt:
      return CoreOp::BranchLt;
    case CoreOp::BranchGe:
      return CoreOp::BranchLe;
    case CoreOp::BranchLt:
      return CoreOp::BranchGt;
    case CoreOp::BranchLe:
      return CoreOp::BranchGe;
    default:
      return op;
  }
}

template <class U, class S>
bool holds(CoreOp op, U a, U b) {
  switch (op) {
    case CoreOp::BranchAlways:
      return true;
    case CoreOp::BranchEq:
      return a == b;
    case CoreOp::BranchNe:
      return a != b;
    case CoreOp::BranchGt:
      return a > b;
    case CoreOp::BranchGe:
      return a >= b;
    case CoreOp::BranchLt:
      return a < b;
    case CoreOp::BranchLe:
      return a <= b;
    case CoreOp::BranchSgt:
      return static_cast<S>(a) > static_cast<S>(b);
    case CoreOp::BranchSge:
      return static_cast<S>(a) >= static_cast<S>(b);
    case CoreOp::BranchSlt:
      return static_cast<S>(a) < static_cast<S>(b);
    case CoreOp::BranchSle:
      return static_cast<S>(a) <= static_cast<S>(b);
    case CoreOp::BranchSet:
      return (a & b) != 0;
    default:
      return (a & b) == 0;
  }
}

bool is_pointer(const Value& value) {
  return value.base == Base::map || value.is_state(CoreState::Data) || value.is_state(CoreState::DataEnd) ||
         value.is_state(CoreState::DataMeta);
}

// `length op bytes`, if at least `least` are there.
std::optional<bool> by_length(CoreOp op, std::uint32_t bytes, std::uint32_t least) {
  switch (op) {
    case CoreOp::BranchLt:
      return bytes <= least ? std::optional(false) : std::nullopt;
    case CoreOp::BranchGe:
      return bytes <= least ? std::optional(true) : std::nullopt;
    case CoreOp::BranchLe:
    case CoreOp::BranchEq:
      return bytes < least ? std::optional(false) : std::nullopt;
    case CoreOp::BranchGt:
    case CoreOp::BranchNe:
      return bytes < least ? std::optional(true) : std::nullopt;
    default:
      return std::nullopt;
  }
}

// What is known of the packet's length where a branch was taken, or was not.
std::uint32_t length_after(const Comparison& of, bool taken, std::uint32_t before) {
  if (!of.of_length) return before;
  const auto at_least = [&](CoreOp holds, CoreOp fails, std::uint32_t bytes) {
    return *of.of_length == (taken ? holds : fails) ? std::max(before, bytes) : before;
  };
  return std::max({at_least(CoreOp::BranchGe, CoreOp::BranchLt, of.bytes),
                   at_least(CoreOp::BranchGt, CoreOp::BranchLe, of.bytes + 1),
                   at_least(CoreOp::BranchEq, CoreOp::BranchNe, of.bytes)});
}

}  // namespace

Comparison comparison(const Slot& slot, const State& at) {
  if (slot.op == CoreOp::BranchAlways) return {.decided = true};
  const Value a = first_operand(slot, at), b = second_operand(slot, at);
  if (a.is_constant() && b.is_constant()) {
    const std::uint64_t x = bits_of(a), y = bits_of(b);
    return {.decided = slot.wide ? holds<std::uint64_t, std::int64_t>(slot.op, x, y)
                                 : holds<std::uint32_t, std::int32_t>(slot.op, static_cast<std::uint32_t>(x),
                                                                      static_cast<std::uint32_t>(y))};
  }
  const auto known = at.outcomes.outcome(slot, a, b);
  if (known || !slot.wide) return {.decided = known};
  if (is_pointer(a) && b == constant(0)) {
    if (slot.op == CoreOp::BranchEq) return {.decided = false};
    if (slot.op == CoreOp::BranchNe) return {.decided = true};
  }
  std::optional<CoreOp> op;
  std::int64_t bytes = 0;
  if (a.is_state(CoreState::Data) && b.is_state(CoreState::DataEnd)) {
    op = turned(slot.op);
    bytes = a.offset - b.offset;
  } else if (a.is_state(CoreState::DataEnd) && b.is_state(CoreState::Data)) {
    op = slot.op;
    bytes = b.offset - a.offset;
  } else if (a.is_state(CoreState::Length) && b.is_constant()) {
    op = slot.op;
    bytes = b.offset - a.offset;
  }
  const bool is_unsigned = op && *op >= CoreOp::BranchEq && *op <= CoreOp::BranchLe;
  const bool near = a.offset >= -kFar && a.offset <= kFar && b.offset >= -kFar && b.offset <= kFar;
  // Length less a number wraps round where there is less of it.
  const bool plain = !a.is_state(CoreState::Length) || a.offset == 0;
  if (!is_unsigned || !near || !plain || bytes < 0) return {};
  const auto count = static_cast<std::uint32_t>(bytes);
  return {.decided = by_length(*op, count, at.packet_bytes), .of_length = op, .bytes = count};
}

namespace {
// What the first operand is not larger than, if that is a constant.
std::optional<std::uint64_t> at_most(const Slot& branch, bool taken, const Value& b) {
  if (!b.is_constant()) return std::nullopt;
  const std::uint64_t bound = bits_of(b);
  if (branch.op == (taken ? CoreOp::BranchLe : CoreOp::BranchGt)) return bound;
  if (branch.op == (taken ? CoreOp::BranchLt : CoreOp::BranchGe) && bound != 0) return bound - 1;
  return std::nullopt;
}
}  // namespace

void learn(const Slot& branch, bool taken, State& at) {
  at.packet_bytes = length_after(comparison(branch, at), taken, at.packet_bytes);
  const Value a = first_operand(branch, at), b = second_operand(branch, at);
  at.outcomes.learn(branch, a, b, taken);
  if (const auto most = at_most(branch, taken, b); most && !branch.a_state && branch.wide)
    at.known[branch.a].bits = std::min(at.known[branch.a].bits, static_cast<std::uint8_t>(std::bit_width(*most)));
  const bool equal = branch.op == (taken ? CoreOp::BranchEq : CoreOp::BranchNe);
  if (!equal || !b.is_constant() || branch.a_state) return;
  if (branch.wide) return at.refine(branch.a, b);
  if (at.known[branch.a].bits <= 32) at.refine(branch.a, constant(static_cast<std::uint32_t>(b.offset)));
}

}  // namespace forager::jit::rtl
