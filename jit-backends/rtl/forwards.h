// SPDX-License-Identifier: Apache-2.0
//
// Loads of the stack and of the packet that find what the same stretch of operations stored there take it from its
// register, or as the constant that it is.
//
// Tested by: tests/unit/rtl_flow_test.cc.
#pragma once

#include <span>

#include "jit-backends/rtl/lower.h"

namespace forager::jit::rtl {

// Of operations whose values are numbered (registers.h).
void forward_stores(std::span<Operation> operations);

}  // namespace forager::jit::rtl
