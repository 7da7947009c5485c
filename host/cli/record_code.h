// SPDX-License-Identifier: Apache-2.0
//
// Machine code made visible to profilers and debuggers, as the environment asks: FORAGER_PERF is `map`, `jitdump` or
// both with a comma between, FORAGER_PERF_DIR the directory of what they write, FORAGER_GDB=1 registers code with the
// debugger.
//
// Tested by: tests/cli/cli_test.sh.
#pragma once

namespace forager::cli {

// What cannot be done is said in a line on standard error, and the command goes on without.
void record_machine_code();

}  // namespace forager::cli
