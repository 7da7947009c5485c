// SPDX-License-Identifier: Apache-2.0
//
// Scenario `peers`: example programs on the x86-64 JIT beside what else could run them, `peers/<program>/<engine>`.
//
//   x86_64  forager's JIT
//   linux   the machine's kernel, a test run for each packet
//   native  clang -O2 of the same C, with lookups made for the map (native/bpf/bpf_helpers.h)
//   dpdk    DPDK's rte_bpf with the same bytecode, where it takes it (dpdk_contender.cc)
//
// All engines of a program are timed in turns when its first row is asked for (race.h). Counters, of the median pass:
//   ns_per_packet  net of the same engine's empty program over the same packets
//   floor          of that
//   bytes          code size
// Behind the rows follows a table of all programs that were timed.
#include <fmt/format.h>

#include "bench/peers/race_rows.h"
#include "bench/peers/stage.h"
#include "jit-backends/backends.h"

namespace forager::bench {
namespace {

constexpr std::chrono::milliseconds kTime{2500};

std::vector<Entrant> entrants() {
  const auto device = [](const char* backend) {
    return [backend](const ExampleProgram& program) {
      return make_device_contender(program, *jit::find_backend(backend));
    };
  };
  constexpr golden::Compared kKernel = {.redirect_ports = false, .printk = false};
  return {{"x86_64", device("x86_64"), {}},
          {"linux", device("linux"), kKernel},
          {"native", make_native_contender, {}},
          {"dpdk", make_dpdk_contender, {}}};
}

void count(benchmark::State& state, const Figures& figures, std::size_t engine) {
  const Figure& figure = figures[engine];
  state.counters["ns_per_packet"] = figure.net;
  state.counters["floor"] = figure.floor;
  state.counters["bytes"] = static_cast<double>(figure.code_bytes);
}

// ---- the table ---------------------------------------------------------------------------------------------------

constexpr std::size_t kOurs = 0;

struct Row {
  const ExampleProgram* program;
  bool uses_maps;
  const Figures& figures;

  [[nodiscard]] bool has(std::size_t engine) const { return figures[engine].error.empty(); }
};

std::vector<Row> rows_of(const RacedPrograms& raced) {
  std::vector<Row> rows;
  for (const auto& [program, figures] : raced) {
    auto stage = Stage::open(*program);
    rows.push_back({.program = program, .uses_maps = stage && stage->uses_maps(), .figures = figures});
  }
  return rows;
}

std::string cell(const Figure& figure) {
  return figure.error.empty() ? fmt::format("{:.1f}", figure.net) : std::string("-");
}

std::string ratio(double a, double b) { return b > 0.5 ? fmt::format("{:.2f}", a / b) : std::string("-"); }

// How ours stands to another over the programs that both have: their sums and what ours is of the other's.
std::string standing(const std::vector<Row>& rows, const std::string& name, std::size_t other, bool uses_maps) {
  double ours = 0, theirs = 0;
  int count = 0;
  for (const Row& row : rows) {
    if (row.uses_maps != uses_maps || !row.has(kOurs) || !row.has(other)) continue;
    ours += row.figures[kOurs].net;
    theirs += row.figures[other].net;
    ++count;
  }
  return fmt::format("{}, sum of {} programs: x86_64 {:.0f} ns, {} {:.0f} ns, {} / x86_64 = {}\n",
                     uses_maps ? "maps" : "computation", count, ours, name, theirs, name, ratio(theirs, ours));
}

void print_row(const Row& row) {
  fmt::print("| {}{} |", row.program->name, row.uses_maps ? "" : " (no maps)");
  for (const Figure& figure : row.figures) fmt::print(" {} |", cell(figure));
  for (std::size_t other = 1; other < row.figures.size(); ++other) {
    const bool both = row.has(kOurs) && row.has(other);
    fmt::print(" {} |", both ? ratio(row.figures[other].net, row.figures[kOurs].net) : "-");
  }
  for (const Figure& figure : row.figures) fmt::print(" {} |", figure.code_bytes);
  fmt::print("\n");
}

void print_table(const std::vector<Entrant>& engines, const RacedPrograms& raced) {
  const std::vector<Row> rows = rows_of(raced);
  std::string heading = "| program |", line = "|---|";
  const std::string of_ours = "{} / x86_64";
  for (const std::string& what : {std::string("{}, ns"), of_ours, std::string("{}, bytes")}) {
    for (const Entrant& engine : engines) {
      if (what == of_ours && engine.name == "x86_64") continue;
      heading += fmt::format(fmt::runtime(" " + what + " |"), engine.name);
      line += "---|";
    }
  }
  fmt::print("\n{}\n{}\n", heading, line);
  for (const Row& row : rows) print_row(row);
  fmt::print("\n");
  for (const bool uses_maps : {true, false}) {
    for (std::size_t other = 1; other < engines.size(); ++other) {
      fmt::print("{}", standing(rows, engines[other].name, other, uses_maps));
    }
  }
}

}  // namespace
}  // namespace forager::bench

int main(int argc, char** argv) {
  using namespace forager::bench;
  return run_races(
      argc, argv, {.name = "peers", .time = kTime, .entrants = entrants(), .count = count, .print_table = print_table});
}
