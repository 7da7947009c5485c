// SPDX-License-Identifier: Apache-2.0
//
// Scenario `compile`: what programs cost the x86-64 JIT before they can run, `compile/<object>/<program>`: those of
// tests/programs, and of tests/programs/verifier for their size (effort.h).
//
// Time is the median of warm compilation and linking. Counters:
//   warm_us, cold_us         both together; warm_p99_us of the repetitions
//   ns_per_instruction       warm
//   faults_cold, faults_warm minor page faults
//   instructions             slots
// Behind the rows follow the median and the 99th percentile over the programs.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "bench/common/plain_names.h"
#include "bench/compile/effort.h"
#include "jit-backends/backends.h"

namespace forager::bench {
namespace {

constexpr std::size_t kRepetitions = 101;
constexpr std::size_t kSmall = 500;  // slots, for which issue and page name a goal

const exec::Backend& backend() { return *jit::find_backend("x86_64"); }

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

struct Summary {
  std::vector<double> cold, warm;  // us, of programs that are small
  std::vector<double> cold_ns_each, warm_ns_each, cold_faults, warm_faults;
};

Summary& summary() {
  static Summary summary;
  return summary;
}

struct Warm {
  std::vector<double> us, faults;
};

Result<Warm> repeat(const Candidate& candidate) {
  Warm out;
  for (std::size_t i = 0; i <= kRepetitions; ++i) {
    auto cost = effort(candidate, backend());
    if (!cost) return std::unexpected(std::move(cost.error()));
    if (i == 0) continue;
    out.us.push_back(cost->both());
    out.faults.push_back(static_cast<double>(cost->faults));
  }
  return out;
}

void compile(benchmark::State& state, const Candidate& candidate) {
  const auto warm = repeat(candidate);
  const auto cold = warm ? cold_effort(candidate) : std::unexpected(warm.error());
  if (!cold) return state.SkipWithError(cold.error().text().c_str());
  const double median = quantile(warm->us, 0.5), slots = static_cast<double>(candidate.slots);
  for (auto _ : state) state.SetIterationTime(median * 1e-6);
  state.counters["warm_us"] = median;
  state.counters["warm_p99_us"] = quantile(warm->us, 0.99);
  state.counters["cold_us"] = cold->both();
  state.counters["ns_per_instruction"] = median * 1000 / slots;
  state.counters["faults_cold"] = static_cast<double>(cold->faults);
  state.counters["faults_warm"] = quantile(warm->faults, 0.5);
  state.counters["instructions"] = slots;
  Summary& all = summary();
  all.cold_ns_each.push_back(cold->both() * 1000 / slots);
  all.warm_ns_each.push_back(median * 1000 / slots);
  all.cold_faults.push_back(static_cast<double>(cold->faults));
  all.warm_faults.push_back(quantile(warm->faults, 0.5));
  if (candidate.slots > kSmall) return;
  all.cold.push_back(cold->both());
  all.warm.push_back(median);
}

std::vector<Candidate> all_candidates() {
  std::vector<std::string> objects;
  for (const auto& entry : std::filesystem::directory_iterator(FORAGER_PROGRAMS)) {
    if (entry.path().extension() == ".o") objects.push_back(entry.path());
  }
  for (const auto& entry : std::filesystem::directory_iterator(FORAGER_VERIFIER_PROGRAMS)) {
    if (entry.path().string().ends_with(".O2.v3.bpf.o")) objects.push_back(entry.path());
  }
  std::ranges::sort(objects);
  std::vector<Candidate> out;
  for (const std::string& object : objects) std::ranges::move(candidates(object), std::back_inserter(out));
  return out;
}

void register_all(const std::vector<Candidate>& all) {
  for (const Candidate& candidate : all) {
    benchmark::RegisterBenchmark(("compile/" + candidate.title).c_str(),
                                 [&candidate](benchmark::State& state) { compile(state, candidate); })
        ->UseManualTime()
        ->Iterations(1)
        ->Unit(benchmark::kMicrosecond);
  }
}

void print_row(const char* what, const std::vector<double>& values) {
  fmt::print("| {} | {} | {:.0f} | {:.0f} |\n", what, values.size(), quantile(values, 0.5), quantile(values, 0.99));
}

void print_summary() {
  const Summary& all = summary();
  if (all.warm_ns_each.empty()) return;
  fmt::print("\n| over programs | of them | median | p99 |\n|---|---|---|---|\n");
  print_row("cold, us, up to 500 instructions", all.cold);
  print_row("warm, us, up to 500 instructions", all.warm);
  print_row("cold, ns an instruction", all.cold_ns_each);
  print_row("warm, ns an instruction", all.warm_ns_each);
  print_row("page faults, cold", all.cold_faults);
  print_row("page faults, warm", all.warm_faults);
}

}  // namespace
}  // namespace forager::bench

int main(int argc, char** argv) {
  using namespace forager::bench;
  if (argc == 4 && std::string_view(argv[1]) == "--cold") return answer_cold(argv[2], argv[3], backend());
  const std::vector<Candidate> all = all_candidates();
  register_all(all);
  const int status = run_plain(argc, argv);
  if (status == 0) print_summary();
  return status;
}
