// SPDX-License-Identifier: Apache-2.0
//
// Links and attachments of the kept state, and how ports are written: "2" or "port2".
//
// Tested by: tests/cli/bpftool_test.cc, tests/cli/cli_test.sh.
#pragma once

#include <cstdint>
#include <string>

#include "cli/cli.h"
#include "cli/state.h"
#include "forager/result.h"

namespace forager::cli {

// Errors: usage.
[[nodiscard]] Result<std::uint32_t> read_port(Words& words);
[[nodiscard]] std::string port_name(std::uint32_t port);
// The link whose program packets of the port meet, or null.
[[nodiscard]] const SavedLink* link_at(const Registry& registry, std::uint32_t port);
// Lets go of a link: its row goes, unless a pin holds it; then it is a link to nothing, as in Linux.
void detach(Registry& registry, std::uint32_t id);

}  // namespace forager::cli
