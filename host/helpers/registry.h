// SPDX-License-Identifier: Apache-2.0
//
// The table of helper functions, by Linux's helper number; null where this build has none.
//
// Adding a helper: its row in isa/helpers.def (all of Linux's are there), its name in exec/host_helpers.def, and its
// function in the file of its family.
//
// Tested by: tests/unit/helpers_test.cc; helpers_kernel_test.cc compares them with the running kernel's.
#pragma once

#include <span>

#include "exec/environment.h"

namespace forager::helpers {

[[nodiscard]] std::span<const exec::HelperFn> table();

}  // namespace forager::helpers
