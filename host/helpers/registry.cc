// SPDX-License-Identifier: Apache-2.0
#include "helpers/registry.h"

#include "exec/host_helpers.h"
#include "helpers/functions.h"

namespace forager::helpers {

std::span<const exec::HelperFn> table() {
  static constexpr auto kTable = [] {
    std::array<exec::HelperFn, 512> functions{};
#define FORAGER_HOST_HELPER(name) functions[static_cast<std::size_t>(exec::HelperId::name)] = name;
#include "exec/host_helpers.def"
    return functions;
  }();
  return kTable;
}

}  // namespace forager::helpers
