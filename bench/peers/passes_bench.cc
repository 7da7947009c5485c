// SPDX-License-Identifier: Apache-2.0
//
// Scenario `passes`: what each pass of the x86-64 JIT brings, `passes/<program>/<what is left out>`: one of the passes,
// `all` of them, or `none`.
//
// All variants of a program are timed in turns when its first row is asked for (race.h). Counters:
//   ns_per_packet  net of the empty program, which was compiled alike
//   ns_brought     what leaving this out costs, ns a packet
//   bytes_brought  and in bytes of code
// Behind the rows follows a table of the sums over the programs that were timed.
#include <fmt/format.h>

#include "bench/peers/race_rows.h"
#include "jit-backends/backends.h"
#include "jit-backends/common/passes/passes.h"

namespace forager::bench {
namespace {

constexpr std::chrono::milliseconds kTime{1500};

Entrant entrant(std::string name, std::uint32_t passes_off) {
  return {.name = std::move(name),
          .make =
              [passes_off](const ExampleProgram& program) {
                return make_device_contender(program, *jit::find_backend("x86_64"), {.passes_off = passes_off});
              },
          .told = {}};
}

// None is the first.
std::vector<Entrant> variants() {
  std::vector<Entrant> out = {entrant("none", 0)};
  std::uint32_t all = 0;
  for (const jit::Pass& pass : jit::passes()) {
    const std::uint32_t bit = all + 1;
    out.push_back(entrant(std::string(pass.name), bit));
    all += bit;
  }
  out.push_back(entrant("all", all));
  return out;
}

double brought_bytes(const Figure& without, const Figure& with) {
  return static_cast<double>(without.code_bytes) - static_cast<double>(with.code_bytes);
}

void count(benchmark::State& state, const Figures& figures, std::size_t variant) {
  const Figure &with = figures.front(), &without = figures[variant];
  if (!with.error.empty()) return state.SkipWithError(with.error.c_str());
  state.counters["ns_per_packet"] = without.net;
  state.counters["ns_brought"] = without.net - with.net;
  state.counters["bytes_brought"] = brought_bytes(without, with);
}

struct Best {
  double ns = 0;
  std::string_view program = "-";
};

void print_line(const std::string& name, std::size_t variant, const RacedPrograms& raced) {
  double ns = 0, bytes = 0, least = 0, least_bytes = 0;
  Best best;
  for (const auto& [program, figures] : raced) {
    const Figure &with = figures.front(), &without = figures[variant];
    if (!with.error.empty() || !without.error.empty()) continue;
    ns += without.net - with.net;
    bytes += brought_bytes(without, with);
    least += with.net;
    least_bytes += static_cast<double>(with.code_bytes);
    if (without.net - with.net > best.ns) best = {without.net - with.net, program->name};
  }
  fmt::print("| {} | {:.0f} | {:.1f} % | {:.0f} | {:.1f} % | {} ({:.0f} ns) |\n", name, ns, 100 * ns / least, bytes,
             100 * bytes / least_bytes, best.program, best.ns);
}

void print_table(const std::vector<Entrant>& entrants, const RacedPrograms& raced) {
  fmt::print("\nsums over {} programs, against code with all passes\n", raced.size());
  fmt::print("| left out | ns | of all | bytes | of all | most in |\n|---|---|---|---|---|---|\n");
  for (std::size_t i = 1; i < entrants.size(); ++i) print_line(entrants[i].name, i, raced);
}

}  // namespace
}  // namespace forager::bench

int main(int argc, char** argv) {
  using namespace forager::bench;
  return run_races(
      argc, argv,
      {.name = "passes", .time = kTime, .entrants = variants(), .count = count, .print_table = print_table});
}
