// SPDX-License-Identifier: Apache-2.0
//
// The interpreter: the reference engine.
//
// It is direct and obvious rather than fast, checks every access, and is what all other engines are compared with; it
// is compared with the real kernel itself. CompileOptions.checked makes it also track what was initialised.
//
// Tested by: tests/unit/interp_*_test.cc, tests/golden, tests/e2e (against the kernel), conformance vectors.
#pragma once

#include "exec/backend.h"

namespace forager::interp {

[[nodiscard]] const exec::Backend& backend();

}  // namespace forager::interp
