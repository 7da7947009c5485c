// SPDX-License-Identifier: Apache-2.0
//
// Operations of the engine for calls of helpers: what the engine is told, and how it comes where the engine reads it
// (ops.def, hw/doc/maps.md).
//
// Tested by: tests/unit/rtl_compile_test.cc, rtl_maps_test.cc.
#pragma once

#include <functional>

#include "jit-backends/rtl/lower.h"

namespace forager::jit::rtl {

using Put = std::function<void(const Operation&)>;

// True if the engine does the call at this instruction, whose operations `put` was given then.
[[nodiscard]] bool select_engine_call(const Code& code, std::uint32_t call, const ChipPlan& plan, const Put& put);

// What a helper reads of the memory that an argument (1 to 5) points to: so many bytes, from `at` on.
[[nodiscard]] Reach reach_of_argument(const Code& code, std::uint32_t call, std::uint8_t argument, std::uint32_t at,
                                      std::uint32_t bytes);

}  // namespace forager::jit::rtl
