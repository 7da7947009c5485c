// SPDX-License-Identifier: Apache-2.0
//
// Scenario `verifier`: example programs, the large ones of tests/programs/verifier and generated ones,
// `verifier/<program>/<verifier>`, where the verifier is forager's or the machine's kernel's (linux).
//
// Verdicts are compared first: a program on which they differ is an error row, not a figure. Time is each verifier's
// own (see measure.h). A program of several is one row each. Counters:
//   instructions  slots of the program
//   processed     instructions the verifier went through
//   states        that it kept at some time; peak_states at one time
//   mb            greatest growth of resident memory (forager only)
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bench/common/plain_names.h"
#include "bench/verifier/measure.h"
#include "tests/twins/grow.h"
#include "tests/twins/tee.h"

namespace forager::bench {
namespace {

using Shared = std::shared_ptr<const twins::Subject>;

void report(benchmark::State& state, const twins::Subject& subject, const twins::Verdict& verdict) {
  state.counters["instructions"] = static_cast<double>(subject.source.slots.size());
  state.counters["processed"] = static_cast<double>(verdict.processed);
  state.counters["states"] = static_cast<double>(verdict.total_states);
  state.counters["peak_states"] = static_cast<double>(verdict.peak_states);
}

template <class Ask>
void verify(benchmark::State& state, const twins::Subject& subject, const Ask& ask) {
  if (const std::string why = wrong_answer(subject); !why.empty()) return state.SkipWithError(why.c_str());
  twins::Verdict verdict;
  for (auto _ : state) {
    verdict = ask(subject);
    state.SetIterationTime(verdict.milliseconds / 1000);
  }
  report(state, subject, verdict);
}

void add_rows(const Shared& subject) {
  const std::string name = "verifier/" + subject->title();
  benchmark::RegisterBenchmark((name + "/forager").c_str(),
                               [subject](benchmark::State& state) {
                                 verify(state, *subject,
                                        [](const twins::Subject& one) { return twins::ask_ours(one.source); });
                                 state.counters["mb"] = megabytes_of(*subject);
                               })
      ->UseManualTime()
      ->MinTime(0.2)
      ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark((name + "/linux").c_str(),
                               [subject](benchmark::State& state) {
                                 verify(state, *subject,
                                        [](const twins::Subject& one) { return twins::ask_kernel(one.kernel); });
                               })
      ->UseManualTime()
      ->MinTime(0.2)
      ->Unit(benchmark::kMillisecond);
}

std::vector<std::string> objects() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(FORAGER_PROGRAMS)) {
    if (entry.path().extension() == ".o") out.push_back(entry.path());
  }
  for (const auto& entry : std::filesystem::directory_iterator(FORAGER_VERIFIER_PROGRAMS)) {
    if (entry.path().string().ends_with(".O2.v3.bpf.o")) out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

void register_all() {
  for (const std::string& object : objects()) {
    auto subjects = twins::load_twice(object);
    if (!subjects) {
      fmt::print(stderr, "{}\n", subjects.error().text());
      continue;
    }
    for (twins::Subject& subject : *subjects) add_rows(std::make_shared<twins::Subject>(std::move(subject)));
  }
  for (const twins::Growth& growth : twins::kGrowths) {
    auto subject = twins::subject_of(twins::grow(growth));
    if (subject) add_rows(std::make_shared<twins::Subject>(std::move(*subject)));
  }
}

}  // namespace
}  // namespace forager::bench

int main(int argc, char** argv) {
  forager::bench::register_all();
  return forager::bench::run_plain(argc, argv);
}
