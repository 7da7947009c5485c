// SPDX-License-Identifier: Apache-2.0
//
// The beginning and the end of an invocation, as every engine on the host has them.
//
// Tested by: tests/unit/interp_device_test.cc, jit_device_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "exec/environment.h"

namespace forager::exec {

// Forgets what an earlier program decided about the frame.
void clear_results(Frame& frame);

// Discards ring-buffer records that the program left open, which would block their ring for good. Their number.
[[nodiscard]] std::size_t discard_open_records(RunContext& run);
[[nodiscard]] Diagnostic left_open(std::size_t records);

// Gives back what a stopped program held; one that came to its end holds nothing.
void let_go(RunContext& run);

// Leaves r0 in the frame, or, of a program that was stopped, the diagnostic and its type's safe verdict.
void set_results(Frame& frame, isa::ProgType type, std::uint64_t r0, std::unique_ptr<Diagnostic> trap);

}  // namespace forager::exec
