// SPDX-License-Identifier: Apache-2.0
//
// forager_conformance: runs .data vectors on every backend that this machine has, and says what each made of them.
//
//   forager_conformance [DIR|FILE...] [--backend NAME|all] [--except NAME] [--strict] [--checked] [-j]
//
// Without a path: the part of the public suite that stands beside the repository, and the vectors made from isa.def, as
// far as they are there. Exit status: 0 if nothing failed, 1 if something did (with --strict a refusal counts,
// except of what Linux refuses as well), 2 for usage.
#include <algorithm>
#include <iostream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "jit-backends/backends.h"
#include "runtime/environment.h"
#include "verdict.h"

namespace forager::conformance {
namespace {

struct Options {
  std::vector<std::string> paths;
  std::string backend = "all", except;
  bool strict = false;
  bool checked = false;
  bool json = false;
};

[[noreturn]] void die(int status, const std::string& message) {
  std::cerr << "forager_conformance: " << message << "\n";
  std::exit(status);
}

Options parse(int argc, char** argv) {
  Options options;
  CLI::App app("Runs bpf_conformance vectors on every backend present.");
  app.add_option("PATH", options.paths, "directories of .data files, or files");
  app.add_option("--backend", options.backend, "one backend, or all");
  app.add_option("--except", options.except, "of all, not this one");
  app.add_flag("--strict", options.strict, "a backend's refusal is a failure");
  app.add_flag("--checked", options.checked, "the interpreter's checked mode");
  app.add_flag("-j,--json", options.json, "the report as JSON");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    std::exit(status == 0 ? 0 : 2);
  }
  return options;
}

std::vector<std::string> default_paths() {
  std::vector<std::string> out;
  for (const char* path : {FORAGER_PUBLIC_VECTORS, FORAGER_ISA_VECTORS}) {
    if (std::filesystem::is_directory(path)) {
      out.emplace_back(path);
    } else {
      std::cerr << "no vectors in " << path << "\n";
    }
  }
  return out;
}

std::vector<std::filesystem::path> files_of(const std::vector<std::string>& paths) {
  std::vector<std::filesystem::path> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      files.emplace_back(path);
      continue;
    }
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path, error)) {
      if (entry.path().extension() == ".data") found.push_back(entry.path());
    }
    if (error) die(1, fmt::format("{}: {}", path, error.message()));
    if (found.empty()) die(1, fmt::format("{}: holds no .data files", path));
    std::ranges::sort(found);
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

std::vector<Vector> vectors_of(const std::vector<std::string>& paths) {
  std::vector<Vector> vectors;
  for (const std::filesystem::path& file : files_of(paths)) {
    auto vector = read_data_file(file);
    if (!vector) die(1, vector.error().text());
    vectors.push_back(std::move(*vector));
  }
  return vectors;
}

BackendReport run_all(const jit::BackendRow& row, const exec::Environment& environment,
                      const std::vector<Vector>& vectors, const Options& options) {
  BackendReport report{.backend = std::string(row.name)};
  auto executor = Executor::open(row.get(), environment, {.checked = options.checked});
  if (!executor) {
    report.unavailable = executor.error().text();
    return report;
  }
  for (const Vector& vector : vectors)
    report.verdicts.push_back(judge(vector, executor->run(vector.slots, vector.memory)));
  return report;
}

std::vector<BackendReport> run_backends(const std::vector<Vector>& vectors, const Options& options) {
  const exec::Environment environment = runtime::host_environment();
  std::vector<BackendReport> reports;
  for (const jit::BackendRow& row : jit::backends()) {
    const bool wanted = options.backend == row.name || (options.backend == "all" && options.except != row.name);
    if (wanted) reports.push_back(run_all(row, environment, vectors, options));
  }
  if (reports.empty()) {
    std::vector<std::string_view> names;
    for (const jit::BackendRow& row : jit::backends()) names.push_back(row.name);
    die(2, fmt::format("no backend is called '{}'; there are {} and all", options.backend, fmt::join(names, ", ")));
  }
  return reports;
}

int run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const std::vector<Vector> vectors = vectors_of(options.paths.empty() ? default_paths() : options.paths);
  if (vectors.empty()) die(1, "there are no vectors to run; name a directory");
  const std::vector<BackendReport> reports = run_backends(vectors, options);
  std::cout << (options.json ? to_json(reports) : to_table(reports));
  std::size_t bad = 0;
  for (const BackendReport& report : reports) {
    bad += report.count(Outcome::failed) + (options.strict ? report.count(Outcome::refused) : 0);
    // A backend asked for by name must be there.
    if (!report.unavailable.empty() && options.backend != "all") ++bad;
  }
  return bad == 0 ? 0 : 1;
}

}  // namespace
}  // namespace forager::conformance

int main(int argc, char** argv) { return forager::conformance::run(argc, argv); }
