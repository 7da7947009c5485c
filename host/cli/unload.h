// SPDX-License-Identifier: Apache-2.0
//
// Letting go of kept objects. bpftool needs no verb for it: an object of the kernel goes with its last reference, and a
// pin goes by rm. Here both are said.
//
// Tested by: tests/cli/cli_test.sh.
#pragma once

#include "cli/cli.h"
#include "cli/pins.h"
#include "cli/world.h"
#include "forager/result.h"

namespace forager::cli {

// NAME: forgets an object, its pins and links. Errors: input.
[[nodiscard]] Result<> unload(const Cli& cli, Words words);
// PATH: takes a pin away; an object goes with the last pin of all its programs, maps and links. Errors: input.
[[nodiscard]] Result<> unpin(const Cli& cli, Words words);
// `PATH` for the thing of that id, and the end of the words. Errors: usage, input.
[[nodiscard]] Result<> pin_and_save(const Cli& cli, World& world, PinKind kind, std::uint32_t id, Words& words);

}  // namespace forager::cli
