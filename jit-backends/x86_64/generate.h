// SPDX-License-Identifier: Apache-2.0
//
// Code to x86-64 machine code: the generator alone, on any host.
//
// Tested by: tests/generated.
#pragma once

#include "jit-backends/common/generator.h"

namespace forager::jit::x86_64 {

// Errors: those of Generator::run().
[[nodiscard]] Result<MachineCode> generate(const Code& code, const Settings& settings);

}  // namespace forager::jit::x86_64
