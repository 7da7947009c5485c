// SPDX-License-Identifier: Apache-2.0
//
// Finding kept programs and maps by the words of bpftool's grammar: "id 3", "name flows".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/cli.h"
#include "cli/state.h"

namespace forager::cli {

struct Selector {
  std::uint32_t id = 0;  // 0: by name
  std::string name;
};

// "id N" or "name NAME". Errors: usage.
[[nodiscard]] Result<Selector> read_selector(Words& words);

struct KeptProgram {
  std::size_t object = 0;  // index into the list of kept objects
  SavedProgram program;
};
struct KeptMap {
  std::size_t object = 0;
  SavedMap map;
};

// Those that match; all of them without a selector. Errors of the one_* forms: input (none, or several by that name).
[[nodiscard]] std::vector<KeptProgram> programs_of(const std::vector<Saved>& objects);
[[nodiscard]] std::vector<KeptMap> maps_of(const std::vector<Saved>& objects);
[[nodiscard]] Result<KeptProgram> one_program(const std::vector<Saved>& objects, const Selector& selector);
[[nodiscard]] Result<KeptMap> one_map(const std::vector<Saved>& objects, const Selector& selector);

}  // namespace forager::cli
