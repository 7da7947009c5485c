// SPDX-License-Identifier: Apache-2.0
//
// The registry of backends, made from backends.def.
#pragma once

#include <span>
#include <string_view>

#include "exec/backend.h"

namespace forager::jit {

struct BackendRow {
  std::string_view name;
  std::string_view summary;
  const exec::Backend& (*get)();
};

[[nodiscard]] std::span<const BackendRow> backends();
// nullptr if there is none of that name.
[[nodiscard]] const exec::Backend* find_backend(std::string_view name);

}  // namespace forager::jit
