// SPDX-License-Identifier: Apache-2.0
//
// Scenario `opencl`: example programs on the OpenCL device beside the x86-64 JIT on two threads,
// `opencl/<program>/<bytes>/<batch>` (duel.h); what loading costs, `opencl/load/<program>` (loading.h); what an empty
// launch costs, `opencl/launch` (launch.h). Programs are those of tests/programs/matrix.txt that
// the backend takes; behind the rows a line says why others are left out.
//
// Time is opencl's, of a batch. Counters, medians:
//   opencl, x86_64                 ns a packet
//   opencl_spread, x86_64_spread   between the quarters, in percent
//   ratio                          x86_64 / opencl: above 1 opencl is faster
//   launch, staging                ns a packet of opencl's: inside the launch, as it tells, and outside
//   instructions                   that the program executes for a packet
//   order                          packets whose fate depended on which came first
//   foreign                        what other processes had of the machine, in percent
// Behind the rows follows a summary. `--roofline` prints what bounds each program instead (roofline.h).
// With `--halting`, CPUs may halt when they have nothing to do, and threads of the driver are bound to none.
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "bench/common/plain_names.h"
#include "bench/opencl/duel.h"
#include "bench/opencl/launch.h"
#include "bench/opencl/loading.h"
#include "bench/opencl/roofline.h"
#include "bench/opencl/summary.h"
#include "jit-backends/backends.h"
#include "jit-backends/opencl/awake.h"

namespace forager::bench {
namespace {

constexpr std::size_t kBatches[] = {64, 256, 1024, 4096, 16384};
constexpr std::chrono::milliseconds kTime{300};  // of a row

// Empty if it is an XDP program that the backend takes.
std::string refusal(const ExampleProgram& program) {
  auto stage = Stage::open(program);
  if (!stage) return stage.error().text();
  if (stage->program().verified->program().type() != isa::ProgType::xdp) return "no XDP program";
  const exec::Backend& backend = *jit::find_backend("opencl");
  if (!backend.capabilities().available) return backend.capabilities().reason;
  const auto image = backend.compile(stage->program().verified, {});
  return image ? "" : image.error().text();
}

// The duel at hand: rows of one program and size follow each other.
class Ring {
 public:
  Result<Duel*> of(const Pair& pair, std::size_t bytes) {
    if (duel_ == nullptr || pair_ != &pair || bytes_ != bytes) {
      duel_.reset();
      auto opened = Duel::open(pair.program(), bytes);
      if (!opened) return std::unexpected(std::move(opened.error()));
      duel_ = std::move(*opened);
      pair_ = &pair;
      bytes_ = bytes;
    }
    return duel_.get();
  }
  void close() { duel_.reset(); }

 private:
  std::unique_ptr<Duel> duel_;
  const Pair* pair_ = nullptr;
  std::size_t bytes_ = 0;
};

void fail_row(benchmark::State& state, Summary& summary, const std::string& row, const Diagnostic& why) {
  summary.add_failure(row, why.text());
  state.SkipWithError(why.text().c_str());
}

void count(benchmark::State& state, const DuelFigure& figure, double instructions) {
  state.counters["opencl"] = figure.opencl.median;
  state.counters["x86_64"] = figure.x86_64.median;
  state.counters["opencl_spread"] = figure.opencl.percent;
  state.counters["x86_64_spread"] = figure.x86_64.percent;
  state.counters["ratio"] = figure.x86_64.median / figure.opencl.median;
  state.counters["launch"] = figure.launch;
  state.counters["staging"] = figure.staging;
  state.counters["instructions"] = instructions;
  state.counters["foreign"] = figure.foreign;
  state.counters["order"] = static_cast<double>(figure.differences);
}

void measure(benchmark::State& state, Ring& ring, Summary& summary, const Pair& pair, std::size_t bytes,
             std::size_t batch) {
  constexpr double kNanoseconds = 1e-9;
  for (auto _ : state) {
    auto duel = ring.of(pair, bytes);
    if (!duel && duel.error().kind == ErrorKind::input) {
      state.SetLabel(duel.error().message);
      continue;
    }
    const auto figure = duel ? (*duel)->measure(batch, kTime) : Result<DuelFigure>(std::unexpected(duel.error()));
    if (!figure) return fail_row(state, summary, fmt::format("{}/{}/{}", pair.name, bytes, batch), figure.error());
    state.SetIterationTime(figure->opencl.median * static_cast<double>(batch) * kNanoseconds);
    count(state, *figure, (*duel)->instructions());
    summary.add({.program = pair.name,
                 .bytes = bytes,
                 .batch = batch,
                 .instructions = (*duel)->instructions(),
                 .uses_maps = (*duel)->uses_maps(),
                 .figure = *figure});
  }
}

void register_duels(Ring& ring, Summary& summary, const Pair& pair) {
  for (const std::size_t bytes : kPacketSizes) {
    for (const std::size_t batch : kBatches) {
      benchmark::RegisterBenchmark(fmt::format("opencl/{}/{}/{}", pair.name, bytes, batch).c_str(),
                                   [&ring, &summary, &pair, bytes, batch](benchmark::State& state) {
                                     measure(state, ring, summary, pair, bytes, batch);
                                   })
          ->UseManualTime()
          ->Unit(benchmark::kMicrosecond)
          ->Iterations(1);
    }
  }
}

void register_load(Summary& summary, const Pair& pair) {
  benchmark::RegisterBenchmark(fmt::format("opencl/load/{}", pair.name).c_str(), [&](benchmark::State& state) {
    for (auto _ : state) {
      const auto figure = measure_loading(pair.program());
      if (!figure) return fail_row(state, summary, "load/" + pair.name, figure.error());
      for (const auto& [name, ms] : *figure) state.counters[name] = ms;
      summary.add_load(pair.name, *figure);
    }
  })->Iterations(1);
}

void register_launches(Summary& summary) {
  benchmark::RegisterBenchmark("opencl/launch", [&summary](benchmark::State& state) {
    for (auto _ : state) {
      const auto figures = measure_launches();
      if (!figures) return fail_row(state, summary, "launch", figures.error());
      for (const LaunchFigure& figure : *figures) {
        state.counters[fmt::format("{}_{}_us", figure.way, figure.groups)] = figure.us.median;
      }
    }
  })->Iterations(1);
}

// PoCL's threads have a CPU each, as those of the other side have, and no CPU halts between launches.
std::unique_ptr<jit::opencl::Awake> keep_awake() {
  setenv("POCL_AFFINITY", "1", 0);
  auto awake = std::make_unique<jit::opencl::Awake>();
  if (!awake->granted()) fmt::print(stderr, "CPUs may halt when idle: launches take longer than they need to\n");
  return awake;
}

struct Programs {
  std::deque<Pair> taken;
  std::vector<std::string> left_out;  // "NAME is left out: WHY"
};
Programs judged(std::deque<Pair> all) {
  Programs programs;
  for (Pair& pair : all) {
    const std::string why = refusal(pair.program());
    if (why.empty()) {
      programs.taken.push_back(std::move(pair));
    } else {
      programs.left_out.push_back(fmt::format("{} is left out: {}", pair.name, why));
    }
  }
  return programs;
}

void print_left_out(const Programs& programs) {
  for (const std::string& line : programs.left_out) fmt::print("{}\n", line);
}

int run_rows(int argc, char** argv, const Programs& programs) {
  Ring ring;
  Summary summary;
  register_launches(summary);
  for (const Pair& pair : programs.taken) register_load(summary, pair);
  for (const Pair& pair : programs.taken) register_duels(ring, summary, pair);
  const int status = run_plain(argc, argv);
  ring.close();
  if (summary.has_rows()) print_left_out(programs);
  summary.print();
  return summary.has_failures() ? 1 : status;
}

}  // namespace
}  // namespace forager::bench

int main(int argc, char** argv) {
  using namespace forager::bench;
  if (argc == 5 && std::strcmp(argv[1], "--load") == 0) return load_for_parent({argv[2], argv[3]}, argv[4]);
  auto all = pairs();
  if (!all) {
    fmt::print(stderr, "{}\n", all.error().text());
    return 1;
  }
  char* const program = argv[0];
  const bool halting = argc > 1 && std::strcmp(argv[1], "--halting") == 0;
  if (halting) {
    --argc;
    *++argv = program;
  }
  const auto awake = halting ? nullptr : keep_awake();
  const Programs programs = judged(std::move(*all));
  if (argc > 1 && std::strcmp(argv[1], "--roofline") == 0) {
    print_left_out(programs);
    return print_roofline(programs.taken, argc - 2, argv + 2);
  }
  return run_rows(argc, argv, programs);
}
