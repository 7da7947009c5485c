// SPDX-License-Identifier: Apache-2.0
#include "cli/story.h"

#include <fmt/format.h>

namespace forager::cli {

std::string story_of(const Diagnostic& diagnostic, const std::string& indent) {
  std::string out;
  if (!diagnostic.path.empty()) out += indent + "the way there:\n";
  for (const std::string& step : diagnostic.path) out += fmt::format("{}  {}\n", indent, step);
  if (!diagnostic.hint.empty()) out += fmt::format("{}hint: {}\n", indent, diagnostic.hint);
  return out;
}

}  // namespace forager::cli
