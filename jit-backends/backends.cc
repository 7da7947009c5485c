// SPDX-License-Identifier: Apache-2.0
#include "jit-backends/backends.h"

#include "interp/backend.h"
#include "jit-backends/arm64/backend.h"
#include "jit-backends/linux/backend.h"
#include "jit-backends/opencl/backend.h"
#include "jit-backends/rtl/backend.h"
#include "jit-backends/x86_64/backend.h"

namespace forager::jit {
namespace {

constexpr BackendRow kBackends[] = {
#define FORAGER_BACKEND(name, factory, summary) {#name, summary, []() -> const exec::Backend& { return factory; }},
#include "jit-backends/backends.def"
};

}  // namespace

std::span<const BackendRow> backends() { return kBackends; }

const exec::Backend* find_backend(std::string_view name) {
  for (const BackendRow& row : kBackends) {
    if (row.name == name) return &row.get();
  }
  return nullptr;
}

}  // namespace forager::jit
