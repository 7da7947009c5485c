// SPDX-License-Identifier: Apache-2.0
//
// Machine code as bpftool gives it.
//
// Tested by: tests/cli/cli_test.sh.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "jit-backends/common/image.h"

namespace forager::cli {

// The program as this machine's JIT compiles it. Errors: unsupported where there is no JIT for it.
[[nodiscard]] Result<std::shared_ptr<const jit::JitImage>> jited(
    const std::shared_ptr<const verifier::VerifiedProgram>& program);

// [{"name", "insns": [{"src"?, "pc", "operation", "operands", "opcodes"?}]}]
[[nodiscard]] nlohmann::ordered_json jited_json(const jit::JitImage& image, bool opcodes);

}  // namespace forager::cli
