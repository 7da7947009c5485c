// SPDX-License-Identifier: Apache-2.0
//
// Loading the programs of an object one by one, so that a refused one does not hide those after it: what `explain` and
// `prog verify` do.
#pragma once

#include <string>

#include "api/elf_object.h"
#include "forager/result.h"

namespace forager::cli {

// Loads one program of the object and no other; `seen` gets what the runtime made of it. Errors: those of opening, and
// of loading where the runtime never saw the program.
[[nodiscard]] Result<> load_alone(const std::string& path, const std::string& program, const api::OpenOptions& options,
                                  const api::LoadWatcher& seen);

}  // namespace forager::cli
