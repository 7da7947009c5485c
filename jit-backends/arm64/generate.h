// SPDX-License-Identifier: Apache-2.0
//
// Code to AArch64 machine code: the generator alone, on any host.
//
// Tested by: tests/generated, tests/unit/jit_arm64_test.cc.
#pragma once

#include "jit-backends/common/generator.h"

namespace forager::jit::arm64 {

// Errors: those of Generator::run().
[[nodiscard]] Result<MachineCode> generate(const Code& code, const Settings& settings);

}  // namespace forager::jit::arm64
