// SPDX-License-Identifier: Apache-2.0
//
// The x86-64 JIT: machine code specialised by what the verifier proved.
//
// Tested by: tests/golden, tests/unit/jit_*_test.cc, conformance vectors.
#pragma once

#include "exec/backend.h"

namespace forager::jit::x86_64 {

[[nodiscard]] const exec::Backend& backend();

}  // namespace forager::jit::x86_64
