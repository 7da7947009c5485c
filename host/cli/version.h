// SPDX-License-Identifier: Apache-2.0
//
// forager version.
#pragma once

#include <string>

#include "cli/cli.h"
#include "forager/result.h"

namespace forager::cli {

// bpftool's members; `features` says what this build has of them.
[[nodiscard]] Result<> print_version(const Cli& cli, const std::string& version);

}  // namespace forager::cli
