// SPDX-License-Identifier: Apache-2.0
//
// Which program, map or link is meant, in the words of bpftool's grammar: "id 3", "name flows", "tag 9819932d67067430",
// "pinned /sys/fs/bpf/flows".
//
// Names are matched as people write them: whole, as far as the kernel keeps them (15 characters), or for global data by
// the section (".rodata").
//
// Tested by: tests/cli.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/cli.h"
#include "cli/world.h"

namespace forager::cli {

enum class By : std::uint8_t { id, name, tag, pinned };

struct Selector {
  By by = By::id;
  std::uint32_t id = 0;
  std::string text;  // the name, tag or path
};

// Errors: usage.
[[nodiscard]] Result<Selector> read_program_selector(Words& words);
[[nodiscard]] Result<Selector> read_map_selector(Words& words);
[[nodiscard]] Result<Selector> read_link_selector(Words& words);

// All that match; at least one. Errors: input (none does), and of loading where a tag is asked for.
[[nodiscard]] Result<std::vector<Place>> find_programs(World& world, const Selector& selector);
[[nodiscard]] Result<std::vector<Place>> find_maps(const World& world, const Selector& selector);
// The one that is meant. Errors: input (none, or several).
[[nodiscard]] Result<Place> one_program(World& world, const Selector& selector);
[[nodiscard]] Result<Place> one_map(const World& world, const Selector& selector);
[[nodiscard]] Result<SavedLink> one_link(const World& world, const Selector& selector);

// Selector and object in one step, loaded.
[[nodiscard]] Result<ProgramHandle> take_program(World& world, Words& words);
[[nodiscard]] Result<MapHandle> take_map(World& world, Words& words);

}  // namespace forager::cli
