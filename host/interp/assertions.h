// SPDX-License-Identifier: Apache-2.0
//
// Assertions: the verifier's facts held against what really happens.
//
// A fact is a promise about every execution (verifier/facts.h), and backends drop checks on its word. Here each
// execution is a trial of it: before every instruction the concrete registers, access and call must lie within what its
// facts say, afterwards the branch must have gone where they say. Registers that are said to be dead are overwritten
// with junk, so that a wrong liveness shows even where nothing reads them by name (printk's values). It never changes
// what a program does unless a fact is wrong.
//
// Invariants: before() and after() alternate, an instruction at a time; a fact that claims nothing is never violated.
//
// Tested by: tests/unit/interp_assertions_test.cc (each kind of fact, wrong), tests/fuzz (verifier_soak).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "interp/stacks.h"
#include "interp/unit.h"

namespace forager::interp {

class Assertions {
 public:
  using Registers = std::array<std::uint64_t, isa::kRegisters>;
  // The machine at an instruction.
  struct Point {
    const Unit* unit = nullptr;
    std::uint32_t at = 0;
    unsigned depth = 0;
  };

  Assertions(const Memory& memory, const Stacks& stacks) : memory_(memory), stacks_(stacks) {}

  // Another program was loaded.
  void forget() { combined_.clear(); }
  // An invocation, or the target of a tail call, begins.
  void start() { dead_ = 0; }

  // A callback runs between before() and after() of the call of its helper: suspend() before it, resume() after it.
  struct State {
    Point point;
    const verifier::Facts* facts = nullptr;
    RegisterSet dead = 0;
  };
  [[nodiscard]] State suspend() {
    return {.point = point_, .facts = facts_, .dead = std::exchange(dead_, RegisterSet{0})};
  }
  void resume(const State& state) {
    point_ = state.point;
    facts_ = state.facts;
    dead_ = state.dead;
  }

  // The instruction at this point is about to be executed. What does not hold, or empty.
  [[nodiscard]] std::string before(const Point& point, const Registers& registers);
  // It was executed, and this is where the machine stands now; junk goes into the registers that are dead. What did not
  // hold, or empty.
  [[nodiscard]] std::string after(const Point& now, Registers& registers);

 private:
  // How an instruction uses a map.
  enum class Touch : std::uint8_t { look, read, write, combine };

  [[nodiscard]] const Step& step() const { return point_.unit->steps[point_.at]; }
  [[nodiscard]] std::string check_operands(const Registers& registers) const;
  [[nodiscard]] std::string check_access(const Registers& registers);
  [[nodiscard]] std::string check_place(const verifier::AccessFact& fact, std::uint64_t address,
                                        std::uint32_t size) const;
  [[nodiscard]] std::string check_call(const Registers& registers);
  [[nodiscard]] std::string check_argument(unsigned index, const verifier::ArgumentFact& fact,
                                           const Registers& registers) const;
  [[nodiscard]] std::string check_argument_use(unsigned index, const Registers& registers);
  [[nodiscard]] std::string check_use(const exec::Map* map, Touch touch, std::string_view operation = {});
  [[nodiscard]] std::string check_branch(std::uint32_t next) const;
  [[nodiscard]] std::uint64_t reach(unsigned index, const Registers& registers) const;

  const Memory& memory_;
  const Stacks& stacks_;
  Point point_;  // of the instruction being executed
  const verifier::Facts* facts_ = nullptr;
  RegisterSet dead_ = 0;
  std::array<RegisterSet, isa::kMaxCallFrames> callers_dead_{};
  // Which atomic changed a map that is said to be changed by one kind only.
  std::map<std::pair<const Unit*, const exec::Map*>, std::string_view> combined_;
};

}  // namespace forager::interp
