// SPDX-License-Identifier: Apache-2.0
//
// forager batch file FILE: one command a line, as bpftool has it.
//
// Tested by: tests/cli/cli_test.sh.
#pragma once

#include <string>
#include <vector>

#include "cli/cli.h"
#include "forager/result.h"

namespace forager::cli {

// Stops at the first command that fails, and says which line it was. With JSON the output is a list of
// {"command": [words], "output": document}, as bpftool's. FILE "-" is standard input. Errors: usage, input, the
// command's.
[[nodiscard]] Result<> run_batch(const Cli& cli, std::vector<std::string> words);

}  // namespace forager::cli
