// SPDX-License-Identifier: Apache-2.0
//
// The verbs of `forager map`, a file each or a file for a few that belong together.
#pragma once

#include "cli/cli.h"
#include "forager/result.h"

namespace forager::cli {

[[nodiscard]] Result<> map_show(const Cli& cli, Words words);
[[nodiscard]] Result<> map_create(const Cli& cli, Words words);
[[nodiscard]] Result<> map_dump(const Cli& cli, Words words);
// map_elements.cc
[[nodiscard]] Result<> map_lookup(const Cli& cli, Words words);
[[nodiscard]] Result<> map_update(const Cli& cli, Words words);
[[nodiscard]] Result<> map_delete(const Cli& cli, Words words);
[[nodiscard]] Result<> map_getnext(const Cli& cli, Words words);
// map_queue.cc
[[nodiscard]] Result<> map_push(const Cli& cli, Words words);
[[nodiscard]] Result<> map_pop(const Cli& cli, Words words);
[[nodiscard]] Result<> map_peek(const Cli& cli, Words words);
// map_keep.cc
[[nodiscard]] Result<> map_freeze(const Cli& cli, Words words);
[[nodiscard]] Result<> map_pin(const Cli& cli, Words words);
// event_pipe.cc
[[nodiscard]] Result<> map_event_pipe(const Cli& cli, Words words);

}  // namespace forager::cli
