// SPDX-License-Identifier: Apache-2.0
//
// Rows are named <scenario>/<program>/<engine>, and nothing else: Google Benchmark would append how it measured
// ("/min_time:0.200/manual_time"), which makes rows of two runs hard to match. run_plain() reports without.
#pragma once

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstring>
#include <vector>

namespace forager::bench {

template <class Reporter>
class PlainNames : public Reporter {
 public:
  using Reporter::Reporter;
  using Run = benchmark::BenchmarkReporter::Run;
  void ReportRuns(const std::vector<Run>& runs) override {
    std::vector<Run> renamed = runs;
    for (Run& run : renamed) {
      run.run_name.min_time.clear();
      run.run_name.time_type.clear();
      run.run_name.iterations.clear();
    }
    Reporter::ReportRuns(renamed);
  }
};

// main() of a benchmark executable after its rows are registered; the exit status.
inline int run_plain(int argc, char** argv) {
  // A file reporter without a file is an error to the library, so look for one before it takes its flags away.
  bool to_file = false;
  for (int i = 1; i < argc; ++i) to_file |= std::strncmp(argv[i], "--benchmark_out=", 16) == 0;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  using Console = benchmark::ConsoleReporter;
  PlainNames<Console> console(isatty(STDOUT_FILENO) != 0 ? Console::OO_ColorTabular : Console::OO_Tabular);
  PlainNames<benchmark::JSONReporter> json;
  benchmark::RunSpecifiedBenchmarks(&console, to_file ? &json : nullptr);
  benchmark::Shutdown();
  return 0;
}

}  // namespace forager::bench
