// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/rtl/known_outcomes.h"

#include <algorithm>
#include <iterator>

namespace forager::jit::rtl {
namespace {

constexpr std::uint8_t kLess = 1, kEqual = 2, kMore = 4;
constexpr std::uint8_t kShared = 1, kDistinct = 2;

}  // namespace

std::optional<KnownOutcomes::Question> KnownOutcomes::question(CoreOp op) {
  struct Row {
    CoreOp op;
    Domain domain;
    std::uint8_t holds;
  };
  constexpr Row kRows[] = {
      {CoreOp::BranchEq, Domain::order, kEqual},        {CoreOp::BranchNe, Domain::order, kLess | kMore},
      {CoreOp::BranchGt, Domain::order, kMore},         {CoreOp::BranchGe, Domain::order, kMore | kEqual},
      {CoreOp::BranchLt, Domain::order, kLess},         {CoreOp::BranchLe, Domain::order, kLess | kEqual},
      {CoreOp::BranchSgt, Domain::signed_order, kMore}, {CoreOp::BranchSge, Domain::signed_order, kMore | kEqual},
      {CoreOp::BranchSlt, Domain::signed_order, kLess}, {CoreOp::BranchSle, Domain::signed_order, kLess | kEqual},
      {CoreOp::BranchSet, Domain::bits, kShared},       {CoreOp::BranchClear, Domain::bits, kDistinct},
  };
  const auto* row = std::ranges::find(kRows, op, &Row::op);
  return row == std::end(kRows) ? std::nullopt : std::optional(Question{row->domain, row->holds});
}

void KnownOutcomes::learn(const Slot& branch, const Value& a, const Value& b, bool taken) {
  const auto asked = question(branch.op);
  if (!asked) return;
  const std::uint8_t every = asked->domain == Domain::bits ? kShared | kDistinct : kLess | kEqual | kMore;
  Fact fact = {.a = a, .b = b, .wide = branch.wide, .domain = asked->domain, .possible = asked->holds};
  if (!taken) fact.possible = every & static_cast<std::uint8_t>(~asked->holds);
  const auto known = std::ranges::find_if(facts_, [&](const Fact& one) { return one.same_pair(fact); });
  if (known != facts_.end()) {
    known->possible &= fact.possible;
  } else if (facts_.size() < kMost) {
    facts_.push_back(fact);
  }
}

std::optional<bool> KnownOutcomes::outcome(const Slot& branch, const Value& a, const Value& b) const {
  const auto asked = question(branch.op);
  if (!asked) return std::nullopt;
  const Fact wanted = {.a = a, .b = b, .wide = branch.wide, .domain = asked->domain};
  const auto known = std::ranges::find_if(facts_, [&](const Fact& one) { return one.same_pair(wanted); });
  if (known == facts_.end()) return std::nullopt;
  if ((known->possible & ~asked->holds) == 0) return true;
  if ((known->possible & asked->holds) == 0) return false;
  return std::nullopt;
}

void KnownOutcomes::forget_register(std::uint8_t reg) {
  std::erase_if(facts_, [&](const Fact& fact) { return fact.a.reg == reg || fact.b.reg == reg; });
}

void KnownOutcomes::forget_packet() {
  std::erase_if(facts_, [](const Fact& fact) { return fact.a.moves_with_packet() || fact.b.moves_with_packet(); });
}

bool KnownOutcomes::meet(const KnownOutcomes& other) {
  bool less = false;
  std::erase_if(facts_, [&](Fact& fact) {
    const auto there = std::ranges::find_if(other.facts_, [&](const Fact& one) { return one.same_pair(fact); });
    const std::uint8_t possible = there == other.facts_.end() ? std::uint8_t{0xff} : there->possible;
    const bool gone = there == other.facts_.end();
    less = less || gone || (possible & ~fact.possible) != 0;
    fact.possible |= possible;
    return gone;
  });
  return less;
}

}  // namespace forager::jit::rtl
