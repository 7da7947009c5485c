// SPDX-License-Identifier: Apache-2.0
//
// Race: engines with one program each, which take turns until each has been timed often enough, so that whatever slows
// the machine down meanwhile slows all of them. Beside each runs its engine's empty program over the same packets; what
// counts is the difference of the medians.
//
// Answers come first: who differs from the interpreter is not timed.
//
// Tested by: nothing asserts figures.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "bench/peers/contender.h"

namespace forager::bench {

struct Entrant {
  std::string name;
  std::function<ContenderResult(const ExampleProgram&)> make;
  golden::Compared told;  // what the engine can tell of its answers
};

struct Figure {
  std::string name;
  std::string error;      // why there is none
  bool is_wrong = false;  // because its answers are not the interpreter's
  double net = 0;         // ns a packet (or what else was counted), of the program
  double floor = 0;       // and of the empty one
  std::size_t code_bytes = 0;
};

// A figure for each entrant, in their order.
[[nodiscard]] std::vector<Figure> race(const ExampleProgram& program, const std::vector<Entrant>& entrants,
                                       std::chrono::milliseconds time);
// The same, of what the meter counts in few passes: for counters that give nearly the same each time.
[[nodiscard]] std::vector<Figure> count(const ExampleProgram& program, const std::vector<Entrant>& entrants,
                                        Meter meter);

}  // namespace forager::bench
