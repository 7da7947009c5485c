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
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "bench/common/plain_names.h"
#include "bench/peers/race.h"
#include "cli/messages.h"
#include "jit-backends/backends.h"

namespace forager::bench {
namespace {

constexpr std::chrono::milliseconds kTime{2500};

std::vector<Entrant> entrants() {
  const auto device = [](const char* backend) {
    return
        [backend](const PeerProgram& program) { return make_device_contender(program, *jit::find_backend(backend)); };
  };
  constexpr golden::Compared kKernel = {.redirect_ports = false, .printk = false};
  return {{"x86_64", device("x86_64"), {}},
          {"linux", device("linux"), kKernel},
          {"native", make_native_contender, {}},
          {"dpdk", make_dpdk_contender, {}}};
}

struct Row {
  bool uses_maps = false;
  std::vector<Figure> figures;  // as entrants()

  [[nodiscard]] bool has(std::size_t engine) const { return figures[engine].error.empty(); }
};

std::map<const PeerProgram*, Row>& rows() {
  static std::map<const PeerProgram*, Row> rows;
  return rows;
}

const Row& row_of(const PeerProgram& program) {
  const auto [found, is_new] = rows().try_emplace(&program);
  if (is_new) {
    auto stage = Stage::open(program);
    found->second.uses_maps = stage && stage->uses_maps();
    found->second.figures = race(program, entrants(), kTime);
  }
  return found->second;
}

void show(benchmark::State& state, const PeerProgram& program, std::size_t engine) {
  const Figure& figure = row_of(program).figures[engine];
  if (!figure.error.empty()) return state.SkipWithError(figure.error.c_str());
  for (auto _ : state) state.SetIterationTime((figure.net + figure.floor) * 1e-9);
  state.counters["ns_per_packet"] = figure.net;
  state.counters["floor"] = figure.floor;
  state.counters["bytes"] = static_cast<double>(figure.code_bytes);
}

void register_all() {
  const auto engines = entrants();
  for (const PeerProgram& program : kPeerPrograms) {
    for (std::size_t i = 0; i < engines.size(); ++i) {
      const std::string name = fmt::format("peers/{}/{}", program.name, engines[i].name);
      benchmark::RegisterBenchmark(name.c_str(), [&program, i](benchmark::State& state) { show(state, program, i); })
          ->UseManualTime()
          ->Iterations(1);
    }
  }
}

// ---- the table ---------------------------------------------------------------------------------------------------

constexpr std::size_t kOurs = 0;

std::string cell(const Figure& figure) {
  return figure.error.empty() ? fmt::format("{:.1f}", figure.net) : std::string("-");
}

std::string ratio(double a, double b) { return b > 0.5 ? fmt::format("{:.2f}", a / b) : std::string("-"); }

// How ours stands to another over the programs that both have: their sums and what ours is of the other's.
std::string standing(std::size_t other, bool uses_maps) {
  const std::string name = entrants()[other].name;
  double ours = 0, theirs = 0;
  int count = 0;
  for (const auto& [program, row] : rows()) {
    if (row.uses_maps != uses_maps || !row.has(kOurs) || !row.has(other)) continue;
    ours += row.figures[kOurs].net;
    theirs += row.figures[other].net;
    ++count;
  }
  return fmt::format("{}, sum of {} programs: x86_64 {:.0f} ns, {} {:.0f} ns, {} / x86_64 = {}\n",
                     uses_maps ? "maps" : "computation", count, ours, name, theirs, name, ratio(theirs, ours));
}

void print_row(const PeerProgram& program, const Row& row) {
  fmt::print("| {}{} |", program.name, row.uses_maps ? "" : " (no maps)");
  for (const Figure& figure : row.figures) fmt::print(" {} |", cell(figure));
  for (std::size_t other = 1; other < row.figures.size(); ++other) {
    const bool both = row.has(kOurs) && row.has(other);
    fmt::print(" {} |", both ? ratio(row.figures[other].net, row.figures[kOurs].net) : "-");
  }
  for (const Figure& figure : row.figures) fmt::print(" {} |", figure.code_bytes);
  fmt::print("\n");
}

void print_table() {
  const auto engines = entrants();
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
  for (const PeerProgram& program : kPeerPrograms) {
    if (const auto found = rows().find(&program); found != rows().end()) print_row(program, found->second);
  }
  fmt::print("\n");
  for (const bool uses_maps : {true, false}) {
    for (std::size_t other = 1; other < engines.size(); ++other) fmt::print("{}", standing(other, uses_maps));
  }
}

}  // namespace
}  // namespace forager::bench

int main(int argc, char** argv) {
  forager::cli::show_libbpf_messages(false);
  forager::bench::register_all();
  const int status = forager::bench::run_plain(argc, argv);
  if (status == 0 && !forager::bench::rows().empty()) forager::bench::print_table();
  return status;
}
