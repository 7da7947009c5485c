// SPDX-License-Identifier: Apache-2.0
//
// Keys and values in words, and entries in bpftool's text and JSON.
//
// Tested by: tests/cli/map_test.sh.
#pragma once

#include <string>

#include "cli/cli.h"
#include "cli/map_io.h"
#include "cli/world.h"
#include "forager/result.h"

namespace forager::cli {

// "key DATA"; nothing for maps without keys. Errors: usage.
[[nodiscard]] Result<std::string> read_key(const MapHandle& map, Words& words);
// "value VALUE": bytes, or a program or map where the map holds such; per-CPU maps give every CPU the value. Errors:
// usage, and of loading what is named.
[[nodiscard]] Result<std::string> read_value(World& world, const MapHandle& map, Words& words);

// The entry as people know it: programs and maps by their kept ids.
[[nodiscard]] Entry as_shown(const World& world, const MapHandle& map, Entry entry);

// {"key": [...], "value": [...], "formatted": {...}}, per-CPU maps with "values": [{"cpu", "value"}].
[[nodiscard]] nlohmann::ordered_json entry_json(const MapHandle& map, const Entry& entry);
// What bpftool prints without -j: the typed form as JSON where BTF is known, else hex bytes.
[[nodiscard]] std::string entry_text(const MapHandle& map, const Entry& entry);
[[nodiscard]] bool is_typed(const MapHandle& map);

// "01 02 ..", 16 bytes a line.
[[nodiscard]] std::string hex_lines(const std::string& bytes);

}  // namespace forager::cli
