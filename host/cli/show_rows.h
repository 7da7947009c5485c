// SPDX-License-Identifier: Apache-2.0
//
// What `map show` and `prog show` share: all objects of a kind, or those that are selected, as rows of a list or as
// lines. A single object that was asked for is a document of its own, as bpftool has it.
//
// Tested by: tests/cli.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/cli.h"
#include "cli/select.h"
#include "cli/world.h"

namespace forager::cli {

struct ShownKind {
  std::vector<Place> (*all)(const World& world);
  Result<Selector> (*read)(Words& words);
  Result<std::vector<Place>> (*find)(World& world, const Selector& selector);
  Result<nlohmann::ordered_json> (*row)(const Cli& cli, World& world, Place place);
  std::string (*text)(const nlohmann::ordered_json& row);
};

// Errors: usage, and those of the kind's functions.
[[nodiscard]] Result<> show_rows(const Cli& cli, Words words, const ShownKind& kind);

}  // namespace forager::cli
