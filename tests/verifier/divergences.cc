// SPDX-License-Identifier: Apache-2.0
#include "divergences.h"

#include <algorithm>
#include <vector>

namespace forager::verifier::golden {

std::span<const Divergence> divergences() {
  static const std::vector<Divergence> kRows = {
#define FORAGER_DIVERGENCE(file, name, kind, reason) {#file, #name, DivergenceKind::kind, reason},
#include "divergences.def"
  };
  return kRows;
}

const Divergence* find_divergence(std::string_view file, std::string_view name) {
  const auto rows = divergences();
  const auto found = std::ranges::find_if(rows, [&](const auto& row) { return row.file == file && row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace forager::verifier::golden
