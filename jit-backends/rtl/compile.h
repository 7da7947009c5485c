// SPDX-License-Identifier: Apache-2.0
//
// A verified program in the core's bundles.
//
// Tested by: tests/unit/rtl_compile_test.cc.
#pragma once

#include "jit-backends/rtl/image.h"

namespace forager::jit::rtl {

// What the core and the host behind it take.
[[nodiscard]] const exec::Capabilities& capabilities();

// Errors: unsupported (exec::blockers), limit.
[[nodiscard]] Result<std::shared_ptr<const RtlImage>> compile(std::shared_ptr<const verifier::VerifiedProgram> program,
                                                              const exec::CompileOptions& options,
                                                              Maps maps = Maps::on_chip, const ChipRoom& room = {});

// Whether results may depend on which packet runs first: then the device takes one at a time.
[[nodiscard]] bool needs_order(const verifier::VerifiedProgram& program);

}  // namespace forager::jit::rtl
