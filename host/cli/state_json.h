// SPDX-License-Identifier: Apache-2.0
//
// The files of the state directory: what stands in them, read with suspicion and written whole or not at all.
//
// Tested by: tests/cli/cli_test.sh, tests/unit/cli_state_test.cc.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/state.h"
#include "forager/result.h"

namespace forager::cli {

// Errors: input; a damaged file names itself.
[[nodiscard]] Result<Saved> read_saved(const std::string& path);
[[nodiscard]] Result<Registry> read_registry(const std::string& path);  // an empty one if there is no file
[[nodiscard]] nlohmann::ordered_json to_json(const Saved& saved);
[[nodiscard]] nlohmann::ordered_json to_json(const Registry& registry);
// By rename: a command that dies in the middle leaves the old file. Errors: input.
[[nodiscard]] Result<> write_file(const std::string& path, const std::string& text);

}  // namespace forager::cli
