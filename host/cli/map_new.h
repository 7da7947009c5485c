// SPDX-License-Identifier: Apache-2.0
//
// Making a map from a description.
#pragma once

#include <string>

#include "cli/state.h"
#include "forager/result.h"

namespace forager::cli {

// A descriptor of a new map. Errors: unsupported (no such maps here), system (refused, with what was asked).
[[nodiscard]] Result<int> create_map(const std::string& name, const LoneMap& map);

}  // namespace forager::cli
