// SPDX-License-Identifier: Apache-2.0
//
// What the device does not do, by name, before anything runs: as data (capabilities), and what data cannot say.
//
// Tested by: tests/unit/opencl_compile_test.cc.
#pragma once

#include "exec/backend.h"
#include "exec/host_helpers.h"

namespace forager::jit::opencl {

// Instructions, helpers, map and program types; `available` is the machine's business.
[[nodiscard]] exec::Capabilities abilities();

// Errors: unsupported, with the instruction.
[[nodiscard]] Result<> refuse_unsupported(const verifier::VerifiedProgram& program);

// Whether results may depend on which packet runs first: then one work-item takes them all, in order.
[[nodiscard]] bool needs_order(const verifier::VerifiedProgram& program);
[[nodiscard]] bool calls(const verifier::VerifiedProgram& program, exec::HelperId helper);
// Whether packets may change their edges.
[[nodiscard]] bool moves_edges(const verifier::VerifiedProgram& program);

}  // namespace forager::jit::opencl
