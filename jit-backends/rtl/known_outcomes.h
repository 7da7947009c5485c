// SPDX-License-Identifier: Apache-2.0
//
// What comparisons that led to a place have told of pairs of values: so that nothing is compared twice.
//
// Tested by: tests/unit/rtl_flow_test.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "jit-backends/rtl/value.h"

namespace forager::jit::rtl {

class KnownOutcomes {
 public:
  // A branch of operands a and b was taken, or not.
  void learn(const Slot& branch, const Value& a, const Value& b, bool taken);
  // Whether it is taken, if that is certain.
  [[nodiscard]] std::optional<bool> outcome(const Slot& branch, const Value& a, const Value& b) const;

  void forget_register(std::uint8_t reg);
  void forget_packet();
  // What holds here and there too. True if it is less than before.
  bool meet(const KnownOutcomes& other);

 private:
  // Two values may be in one of three relations, signed or not; or share bits, or none. `possible`: those that are
  // left.
  enum class Domain : std::uint8_t { order, signed_order, bits };
  struct Question {
    Domain domain{};
    std::uint8_t holds = 0;  // relations where the branch is taken
  };
  struct Fact {
    Value a, b;
    bool wide = true;
    Domain domain{};
    std::uint8_t possible = 0;
    [[nodiscard]] bool same_pair(const Fact& other) const {
      return a == other.a && b == other.b && wide == other.wide && domain == other.domain;
    }
  };
  static constexpr std::size_t kMost = 16;

  static std::optional<Question> question(CoreOp op);

  std::vector<Fact> facts_;
};

}  // namespace forager::jit::rtl
