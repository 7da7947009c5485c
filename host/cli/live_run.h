// SPDX-License-Identifier: Apache-2.0
//
// Programs that run while somebody watches: what event_pipe and tracelog show.
//
// In the kernel events come by themselves, because packets do. Here a program runs when a command runs it, so these
// verbs are told what to run: "run PROG FILE [repeat N]", or "run dev PORT FILE" for the program that is attached
// there. FILE is a capture, or the bytes of one packet (or context).
//
// Tested by: tests/cli/bpftool_test.cc, tests/cli/cli_test.sh.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cli/select.h"
#include "cli/world.h"
#include "exec/frame.h"
#include "forager/result.h"

namespace forager::cli {

struct LiveRun {
  ProgramHandle program;
  std::vector<std::string> packets;
  std::uint64_t repeat = 1;
};

// The words after `run`. Errors: usage, input.
[[nodiscard]] Result<LiveRun> read_live_run(World& world, Words& words);
// Every packet through BPF_PROG_TEST_RUN, `after_each` behind it; Ctrl-C ends it early. Errors: system; those of
// `after_each`.
[[nodiscard]] Result<> run_live(const LiveRun& run, const std::function<Result<>()>& after_each);

// The packets of a file. Errors: input.
[[nodiscard]] Result<std::vector<std::string>> read_packets(const std::string& path);
// In frames. Errors: input, for one that no frame has.
[[nodiscard]] Result<std::vector<exec::Frame>> frames_of(std::span<const std::string> packets);

}  // namespace forager::cli
