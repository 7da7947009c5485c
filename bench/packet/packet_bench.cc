// SPDX-License-Identifier: Apache-2.0
//
// Scenario `packet`: example programs over their captures, `packet/<program>/<engine>`.
//
// Answers are compared first: an engine whose verdicts, packets or maps differ from the interpreter's is an error row,
// not a figure. Time is the engine's own measure of time inside programs (exec::RunReport::busy_ns), without staging.
// Counters:
//   ns_per_packet   net of the same engine's empty program, whose row packet/empty/<engine> shows the gross floor
//   compile_us      Backend::compile
//   verify_us       decode and verify
//   bytes           code size of the image
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "bench/common/plain_names.h"
#include "bench/common/programs.h"
#include "cli/engine_run.h"
#include "cli/messages.h"
#include "cli/setup.h"
#include "jit-backends/backends.h"
#include "sim/ports/pcap_reader.h"
#include "tests/golden/outcome.h"

namespace forager::bench {
namespace {

golden::Subject subject_of(const ExampleProgram& example, const exec::Capabilities& capabilities) {
  golden::Subject out;
  out.object = fmt::format("{}/{}.bpf.o", FORAGER_PROGRAMS, example.name);
  out.capture = fmt::format("{}/{}.pcap", FORAGER_CAPTURES, example.capture);
  const std::string setup = fmt::format("{}/{}.setup.json", FORAGER_SETUPS, example.name);
  if (FILE* file = std::fopen(setup.c_str(), "rbe")) {
    std::fclose(file);
    out.setup = setup;
  }
  out.min_packet_bytes = capabilities.min_packet_bytes;
  out.max_packet_bytes = capabilities.max_packet_bytes;
  return out;
}

cli::RunOptions on(const std::string& engine) {
  cli::RunOptions options;
  options.placement.backend = engine;
  return options;
}

// What keeps a row from being timed: a difference from the interpreter, or an engine that cannot run it. Empty if none.
std::string wrong_answer(const golden::Subject& subject, const std::string& engine) {
  const auto expected = golden::run(subject, on("interp"));
  const auto actual = golden::run(subject, on(engine));
  if (!expected) return expected.error().text();
  if (!actual) return actual.error().text();
  const golden::Compared told = {.redirect_ports = engine != "linux", .printk = engine != "linux"};
  const auto found = golden::differences(*expected, *actual, told);
  return found.empty() ? "" : found.front();
}

// A loaded engine and the packets it takes.
struct Rig {
  cli::EngineRun engine;
  std::vector<sim::CapturedPacket> packets;

  static Result<Rig> make(const golden::Subject& subject, const std::string& engine) {
    auto setup = subject.setup.empty() ? Result<cli::Setup>(cli::Setup{}) : cli::read_setup(subject.setup);
    if (!setup) return std::unexpected(setup.error());
    auto packets = sim::read_capture(subject.capture);
    if (!packets) return std::unexpected(packets.error());
    std::erase_if(*packets, [&](const sim::CapturedPacket& packet) {
      return packet.bytes.size() < subject.min_packet_bytes || packet.bytes.size() > subject.max_packet_bytes;
    });
    auto run = cli::EngineRun::open(subject.object, *setup, on(engine));
    if (!run) return std::unexpected(run.error());
    return Rig{std::move(*run), std::move(*packets)};
  }

  // Engine nanoseconds of one pass over the capture; negative if the device failed.
  double pass() {
    const std::uint64_t before = engine.busy_ns();
    if (!engine.run(packets, nullptr, nullptr)) return -1;
    return static_cast<double>(engine.busy_ns() - before);
  }
};

constexpr std::size_t kFloorPasses = 25;

// Gross ns per packet of the empty program, once per engine: the median of a few passes.
double floor_of(const std::string& engine, const exec::Capabilities& capabilities) {
  static std::map<std::string, double> known;
  if (const auto found = known.find(engine); found != known.end()) return found->second;
  auto rig = Rig::make(subject_of(kEmpty, capabilities), engine);
  if (!rig) return known[engine] = 0;
  std::vector<double> passes;
  passes.reserve(kFloorPasses);
  for (std::size_t i = 0; i < kFloorPasses; ++i)
    passes.push_back(rig->pass() / static_cast<double>(rig->packets.size()));
  std::nth_element(passes.begin(), passes.begin() + kFloorPasses / 2, passes.end());
  return known[engine] = passes[kFloorPasses / 2];
}

template <class Action>
double microseconds(const Action& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

void add_compile_counters(benchmark::State& state, const runtime::Session& session, const exec::Backend& backend) {
  const auto& verified = session.program().verified;
  state.counters["compile_us"] = microseconds([&] { benchmark::DoNotOptimize(backend.compile(verified, {})); });
  state.counters["verify_us"] = microseconds([&] {
    auto decoded = program::Program::decode(session.program().source());
    if (decoded) benchmark::DoNotOptimize(verifier::verify(std::move(*decoded)));
  });
  state.counters["bytes"] = static_cast<double>(session.image().bytes());
}

void packet(benchmark::State& state, const ExampleProgram& example, const exec::Backend& backend) {
  const std::string engine(backend.name());
  const golden::Subject subject = subject_of(example, backend.capabilities());
  if (const std::string why = wrong_answer(subject, engine); !why.empty()) return state.SkipWithError(why.c_str());
  const bool is_floor = std::string_view(example.name) == "empty";
  const double floor = is_floor ? 0 : floor_of(engine, backend.capabilities());
  auto rig = Rig::make(subject, engine);
  if (!rig) return state.SkipWithError(rig.error().text().c_str());
  double busy = 0;
  for (auto _ : state) {
    const double pass = rig->pass();
    if (pass < 0) return state.SkipWithError("the device failed");
    busy += pass;
    state.SetIterationTime(pass * 1e-9);
  }
  const double packets = static_cast<double>(state.iterations()) * static_cast<double>(rig->packets.size());
  state.counters["ns_per_packet"] = busy / packets - floor;
  add_compile_counters(state, rig->engine.session(), backend);
}

void register_row(const ExampleProgram& example, const exec::Backend& backend) {
  const std::string name = fmt::format("packet/{}/{}", example.name, backend.name());
  if (!backend.capabilities().available) {
    const std::string reason = backend.capabilities().reason;
    benchmark::RegisterBenchmark(name.c_str(),
                                 [reason](benchmark::State& state) { state.SkipWithError(reason.c_str()); });
    return;
  }
  benchmark::RegisterBenchmark(name.c_str(), [&](benchmark::State& state) { packet(state, example, backend); })
      ->UseManualTime()
      ->MinTime(0.2);
}

void register_all() {
  for (const jit::BackendRow& row : jit::backends()) {
    register_row(kEmpty, row.get());
    for (const ExampleProgram& example : kExamplePrograms) {
      if (example.is_in(Scenario::packet)) register_row(example, row.get());
    }
  }
}

}  // namespace
}  // namespace forager::bench

int main(int argc, char** argv) {
  forager::cli::show_libbpf_messages(false);
  forager::bench::register_all();
  return forager::bench::run_plain(argc, argv);
}
