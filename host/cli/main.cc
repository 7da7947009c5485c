// SPDX-License-Identifier: Apache-2.0
//
// forager: the command line. OBJECT VERB as bpftool has it, plus `run` and `explain`.
#include <fmt/format.h>
#include <malloc.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "cli/batch.h"
#include "cli/call_trace.h"
#include "cli/cli.h"
#include "cli/command_line.h"
#include "cli/interrupt.h"
#include "cli/messages.h"
#include "cli/opencl_files.h"
#include "cli/record_code.h"
#include "cli/run_result.h"
#include "cli/story.h"
#include "cli/verbs.h"
#include "cli/version.h"

#ifndef FORAGER_VERSION
#error "the build names the version"
#endif

namespace forager::cli {
namespace {

constexpr int kDone = 0, kError = 1, kUsageStatus = 2;

int report(const Cli& cli, const Diagnostic& diagnostic) {
  if (was_told(diagnostic)) return kError;
  const bool usage = is_usage_error(diagnostic);
  if (cli.wants_json()) {
    nlohmann::ordered_json document = {{"error", diagnostic.text()}};
    if (!usage) document["diagnostic"] = to_json(diagnostic);
    cli.print(document);
  } else {
    std::fflush(stdout);  // what was found out comes before what it means
    fmt::print(stderr, "forager: {}\n{}", diagnostic.text(), story_of(diagnostic, "  "));
  }
  return usage ? kUsageStatus : kError;
}

// `run`, `explain` and `prog verify`, whose options are their own.
bool has_own_options(const std::vector<std::string>& arguments) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!arguments[i].starts_with('-')) words.push_back(arguments[i]);
    if (arguments[i] == "--state") ++i;  // its directory
  }
  if (words.empty()) return false;
  return words[0] == "run" || words[0] == "explain" || (words[0] == "prog" && words.size() > 1 && words[1] == "verify");
}

void declare(CLI::App& app, Cli& cli) {
  app.set_version_flag("-V,--version", "forager " FORAGER_VERSION);
  app.add_flag("-j,--json", cli.json, "print JSON");
  app.add_flag("-p,--pretty", cli.pretty, "print indented JSON");
  app.add_flag("-d,--debug", cli.debug, "show libbpf's messages on standard error");
  app.add_option("--state", cli.state_directory, "directory that keeps loaded objects")->capture_default_str();
  app.require_subcommand(1);
  app.fallthrough();
  add_run(app, cli);
  add_explain(app, cli);
  CLI::App* prog = app.add_subcommand("prog", "programs");
  prog->require_subcommand(1);
  add_prog_verify(*prog, cli);
}

int run_with_options(Cli& cli, int argc, char** argv) {
  CLI::App app("forager: run eBPF programs on accelerators, and find out why not", "forager");
  declare(app, cli);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return report(cli, usage_error(fmt::format("{}; see forager --help", error.what())).error());
  }
  show_libbpf_messages(cli.debug);
  if (auto done = cli.action(); !done) return report(cli, done.error());
  return kDone;
}

Result<> dispatch(const Cli& cli, const CommandLine& line) {
  const std::string first = line.words.empty() ? "" : line.words.front();
  if (line.version || first == "version") return print_version(cli, FORAGER_VERSION);
  if (line.help && line.words.empty()) return run_words(cli, {"help"});
  if (line.help) return run_words(cli, {first, "help"});
  if (first == "batch") return run_batch(cli, {line.words.begin() + 1, line.words.end()});
  return run_words(cli, line.words);
}

int run_in_words(Cli& cli, const std::vector<std::string>& arguments) {
  const auto line = read_command_line(arguments, cli);
  if (!line) return report(cli, line.error());
  show_libbpf_messages(cli.debug);
  if (auto done = dispatch(cli, *line); !done) return report(cli, done.error());
  return kDone;
}

// Frames of a batch come and go: the memory they lay in is not given back, and asked for again, each time.
void keep_memory() {
  constexpr int kOfHeap = 256 << 20, kInOnePiece = 32 << 20;
  mallopt(M_TRIM_THRESHOLD, kOfHeap);
  mallopt(M_MMAP_THRESHOLD, kInOnePiece);
}

int run_command(int argc, char** argv) {
  keep_memory();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  Cli cli;
  catch_interrupts();
  if (auto traced = trace_calls(); !traced) return report(cli, traced.error());
  record_machine_code();
  place_opencl_files();
  const int status = has_own_options(arguments) ? run_with_options(cli, argc, argv) : run_in_words(cli, arguments);
  return std::fflush(stdout) == 0 || status != kDone ? status : kError;
}

}  // namespace
}  // namespace forager::cli

int main(int argc, char** argv) {
  try {
    return forager::cli::run_command(argc, argv);
  } catch (const std::exception& error) {  // out of memory, mostly: said in one line, like everything else
    fmt::print(stderr, "forager: {}\n", error.what());
    return 1;
  }
}
