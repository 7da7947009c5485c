// SPDX-License-Identifier: Apache-2.0
//
// Programs of compiled objects as cases without text, for forager_verifier_mutants. The running kernel loads the object
// first, by libbpf, so that what comes back is relocated.
#pragma once

#include <string>
#include <vector>

#include "golden_program.h"

namespace forager::verifier::golden {

struct ObjectCase {
  Case given;
  Assembled assembled;
};

// Errors: input, where libbpf or the kernel refuse the object.
[[nodiscard]] Result<std::vector<ObjectCase>> cases_of_object(const std::string& path);

}  // namespace forager::verifier::golden
