// SPDX-License-Identifier: Apache-2.0
//
// Command lines: the global options, which may stand anywhere before "--", and everything else in order.
//
// Tested by: tests/unit/cli_command_line_test.cc.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/cli.h"
#include "forager/result.h"

namespace forager::cli {

struct CommandLine {
  std::vector<std::string> words;
  bool help = false, version = false;
};

// Sets the options in `cli`. Errors: usage (an option that does not exist).
[[nodiscard]] Result<CommandLine> read_command_line(std::span<const std::string> arguments, Cli& cli);

// A line of a batch file: words apart, "..." and '...' together, '#' to the end a comment. Errors: usage (a quote that
// does not end).
[[nodiscard]] Result<std::vector<std::string>> split_line(const std::string& line);

}  // namespace forager::cli
