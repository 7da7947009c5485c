// SPDX-License-Identifier: Apache-2.0
//
// FORAGER_TRACE: the calls of bpf(2) that the command makes, one a line, as strace(1) prints them. "1" is standard
// error, anything else a file to append to.
//
// Tested by: tests/cli.
#pragma once

#include "forager/result.h"

namespace forager::cli {

// Reads the environment. Errors: system for a file that cannot be written.
[[nodiscard]] Result<> trace_calls();

}  // namespace forager::cli
