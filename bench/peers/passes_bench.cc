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
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <map>

#include "bench/common/plain_names.h"
#include "bench/peers/race.h"
#include "cli/messages.h"
#include "jit-backends/backends.h"
#include "jit-backends/common/passes/passes.h"

namespace forager::bench {
namespace {

constexpr std::chrono::milliseconds kTime{1500};

Entrant entrant(std::string name, std::uint32_t passes_off) {
  return {.name = std::move(name),
          .make =
              [passes_off](const PeerProgram& program) {
                return make_device_contender(program, *jit::find_backend("x86_64"), {.passes_off = passes_off});
              },
          .told = {}};
}

// None is the first.
const std::vector<Entrant>& variants() {
  static const std::vector<Entrant> kVariants = [] {
    std::vector<Entrant> out = {entrant("none", 0)};
    std::uint32_t all = 0;
    for (const jit::Pass& pass : jit::passes()) {
      const std::uint32_t bit = all + 1;
      out.push_back(entrant(std::string(pass.name), bit));
      all += bit;
    }
    out.push_back(entrant("all", all));
    return out;
  }();
  return kVariants;
}

using Figures = std::vector<Figure>;  // as variants()

std::map<const PeerProgram*, Figures>& rows() {
  static std::map<const PeerProgram*, Figures> rows;
  return rows;
}

const Figures& figures_of(const PeerProgram& program) {
  const auto [found, is_new] = rows().try_emplace(&program);
  if (is_new) found->second = race(program, variants(), kTime);
  return found->second;
}

double brought_bytes(const Figure& without, const Figure& with) {
  return static_cast<double>(without.code_bytes) - static_cast<double>(with.code_bytes);
}

void show(benchmark::State& state, const PeerProgram& program, std::size_t variant) {
  const Figures& figures = figures_of(program);
  const Figure &with = figures.front(), &without = figures[variant];
  for (const Figure* figure : {&with, &without}) {
    if (!figure->error.empty()) return state.SkipWithError(figure->error.c_str());
  }
  for (auto _ : state) state.SetIterationTime((without.net + without.floor) * 1e-9);
  state.counters["ns_per_packet"] = without.net;
  state.counters["ns_brought"] = without.net - with.net;
  state.counters["bytes_brought"] = brought_bytes(without, with);
}

void register_all() {
  for (const PeerProgram& program : kPeerPrograms) {
    for (std::size_t i = 0; i < variants().size(); ++i) {
      const std::string name = fmt::format("passes/{}/{}", program.name, variants()[i].name);
      benchmark::RegisterBenchmark(name.c_str(), [&program, i](benchmark::State& state) { show(state, program, i); })
          ->UseManualTime()
          ->Iterations(1);
    }
  }
}

struct Best {
  double ns = 0;
  std::string_view program = "-";
};

void print_line(std::size_t variant) {
  double ns = 0, bytes = 0, least = 0, least_bytes = 0;
  Best best;
  for (const auto& [program, figures] : rows()) {
    const Figure &with = figures.front(), &without = figures[variant];
    if (!with.error.empty() || !without.error.empty()) continue;
    ns += without.net - with.net;
    bytes += brought_bytes(without, with);
    least += with.net;
    least_bytes += static_cast<double>(with.code_bytes);
    if (without.net - with.net > best.ns) best = {without.net - with.net, program->name};
  }
  fmt::print("| {} | {:.0f} | {:.1f} % | {:.0f} | {:.1f} % | {} ({:.0f} ns) |\n", variants()[variant].name, ns,
             100 * ns / least, bytes, 100 * bytes / least_bytes, best.program, best.ns);
}

void print_table() {
  fmt::print("\nsums over {} programs, against code with all passes\n", rows().size());
  fmt::print("| left out | ns | of all | bytes | of all | most in |\n|---|---|---|---|---|---|\n");
  for (std::size_t i = 1; i < variants().size(); ++i) print_line(i);
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
