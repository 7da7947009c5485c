// SPDX-License-Identifier: Apache-2.0
//
// The arm64 JIT: machine code specialised by what the verifier proved.
//
// Tested by: tests/unit/jit_arm64_test.cc on any host; tests/golden, tests/unit/jit_*_test.cc, conformance vectors on
// arm64 or under qemu.
#pragma once

#include "exec/backend.h"

namespace forager::jit::arm64 {

[[nodiscard]] const exec::Backend& backend();

}  // namespace forager::jit::arm64
