// SPDX-License-Identifier: Apache-2.0
//
// forager prog tracelog: what bpf_trace_printk() says while a program runs.
//
// The kernel has one trace pipe for all that run, and bpftool waits at it. Here nothing runs between commands, so the
// verb runs what it is told to (cli/live_run.h) and ends with it.
#include <cstdio>

#include "cli/live_run.h"
#include "cli/prog_verbs.h"
#include "syscall/process.h"

namespace forager::cli {

Result<> prog_tracelog(const Cli& cli, Words words) {
  if (!words.take("run"))
    return usage_error("no program runs between commands, so there is nothing to wait for: 'run PROG FILE' is missing");
  auto world = World::open(cli.state_directory);
  if (!world) return std::unexpected(world.error());
  auto run = read_live_run(*world, words);
  if (!run) return std::unexpected(run.error());
  nlohmann::ordered_json lines = nlohmann::ordered_json::array();
  syscall::process().runtime.environment.trace = [&](unsigned /*cpu*/, std::string_view line) {
    if (cli.wants_json()) {
      lines.push_back(std::string(line));
      return;
    }
    cli.print(std::string(line) + "\n");
    std::fflush(stdout);
  };
  auto done = run_live(*run, [] { return Result<>{}; });
  syscall::process().runtime.environment.trace = nullptr;
  if (!done) return done;
  if (cli.wants_json()) cli.print(lines);
  return world->save();
}

}  // namespace forager::cli
