// SPDX-License-Identifier: Apache-2.0
//
// The JIT of the machine that the tests run on.
#pragma once

#include <string_view>

#include "jit-backends/backends.h"

namespace forager::jit::testing {

// Null where there is none for this processor.
inline const exec::Backend* jit_here() {
  for (const BackendRow& row : backends()) {
    const bool is_jit = row.name == std::string_view("x86_64") || row.name == std::string_view("arm64");
    if (is_jit && row.get().capabilities().available) return &row.get();
  }
  return nullptr;
}

}  // namespace forager::jit::testing
