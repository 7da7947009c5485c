// SPDX-License-Identifier: Apache-2.0
//
// Loads of the stack that find what the same stretch of operations stored there take it from its register.
//
// Tested by: tests/unit/rtl_flow_test.cc.
#pragma once

#include <span>

#include "jit-backends/rtl/lower.h"

namespace forager::jit::rtl {

// Of operations whose values are numbered (registers.h).
void forward_stores(std::span<Operation> operations);

}  // namespace forager::jit::rtl
