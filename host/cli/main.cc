// SPDX-License-Identifier: Apache-2.0
//
// forager: the command line. OBJECT VERB as bpftool has it, plus `run` and `explain`.
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/messages.h"
#include "cli/run_result.h"
#include "cli/story.h"

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
  add_prog(app, cli);
  add_map(app, cli);
  add_feature(app, cli);
}

int run_command(int argc, char** argv) {
  CLI::App app("forager: run eBPF programs on accelerators, and find out why not", "forager");
  Cli cli;
  declare(app, cli);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return report(cli, usage_error(fmt::format("{}; see forager --help", error.what())).error());
  }
  catch_interrupts();
  show_libbpf_messages(cli.debug);
  if (auto done = cli.action(); !done) return report(cli, done.error());
  return std::fflush(stdout) == 0 ? kDone : kError;
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
