// SPDX-License-Identifier: Apache-2.0
//
// Races as rows of Google Benchmark, `<scenario>/<program>/<entrant>`: all entrants of a program race when its first
// row is asked for. A table follows behind the rows.
//
// Tested by: nothing asserts figures.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <map>
#include <vector>

#include "bench/common/programs.h"
#include "bench/peers/race.h"

namespace forager::bench {

using Figures = std::vector<Figure>;                             // as the scenario's entrants
using RacedPrograms = std::map<const ExampleProgram*, Figures>;  // those whose rows were asked for

struct RaceScenario {
  const char* name;
  std::chrono::milliseconds time;  // of a program
  std::vector<Entrant> entrants;
  // The counters of a row that has a figure, besides its time.
  void (*count)(benchmark::State& state, const Figures& figures, std::size_t entrant);
  void (*print_table)(const std::vector<Entrant>& entrants, const RacedPrograms& raced);
};

// main() of a scenario; the exit status.
[[nodiscard]] int run_races(int argc, char** argv, const RaceScenario& scenario);

}  // namespace forager::bench
