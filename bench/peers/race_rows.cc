// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/race_rows.h"

#include <fmt/format.h>

#include "bench/common/plain_names.h"
#include "cli/messages.h"

namespace forager::bench {
namespace {

class Rows {
 public:
  explicit Rows(const RaceScenario& scenario) : scenario_(scenario) {}

  void register_all() {
    for (const ExampleProgram& program : kExamplePrograms) {
      if (!program.is_in(Scenario::peers)) continue;
      for (std::size_t i = 0; i < scenario_.entrants.size(); ++i) {
        const std::string name = fmt::format("{}/{}/{}", scenario_.name, program.name, scenario_.entrants[i].name);
        benchmark::RegisterBenchmark(name.c_str(),
                                     [this, &program, i](benchmark::State& state) { show(state, program, i); })
            ->UseManualTime()
            ->Iterations(1);
      }
    }
  }

  [[nodiscard]] const RacedPrograms& raced() const { return raced_; }

 private:
  void show(benchmark::State& state, const ExampleProgram& program, std::size_t entrant) {
    const auto [found, is_new] = raced_.try_emplace(&program);
    if (is_new) found->second = race(program, scenario_.entrants, scenario_.time);
    const Figure& figure = found->second[entrant];
    if (!figure.error.empty()) return state.SkipWithError(figure.error.c_str());
    for (auto _ : state) state.SetIterationTime((figure.net + figure.floor) * 1e-9);
    scenario_.count(state, found->second, entrant);
  }

  const RaceScenario& scenario_;
  RacedPrograms raced_;
};

}  // namespace

int run_races(int argc, char** argv, const RaceScenario& scenario) {
  cli::show_libbpf_messages(false);
  Rows rows(scenario);
  rows.register_all();
  const int status = run_plain(argc, argv);
  if (status == 0 && !rows.raced().empty()) scenario.print_table(scenario.entrants, rows.raced());
  return status;
}

}  // namespace forager::bench
