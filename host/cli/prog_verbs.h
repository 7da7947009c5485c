// SPDX-License-Identifier: Apache-2.0
//
// The verbs of `forager prog`, a file each. Judging programs without keeping anything is prog_verify.cc's.
#pragma once

#include "cli/cli.h"
#include "forager/result.h"

namespace forager::cli {

[[nodiscard]] Result<> prog_show(const Cli& cli, Words words);
[[nodiscard]] Result<> prog_load(const Cli& cli, Words words);
[[nodiscard]] Result<> prog_loadall(const Cli& cli, Words words);
[[nodiscard]] Result<> prog_dump(const Cli& cli, Words words);
[[nodiscard]] Result<> prog_pin(const Cli& cli, Words words);
[[nodiscard]] Result<> prog_run(const Cli& cli, Words words);
[[nodiscard]] Result<> prog_attach(const Cli& cli, Words words);
[[nodiscard]] Result<> prog_detach(const Cli& cli, Words words);
[[nodiscard]] Result<> prog_tracelog(const Cli& cli, Words words);
[[nodiscard]] Result<> prog_profile(const Cli& cli, Words words);

}  // namespace forager::cli
