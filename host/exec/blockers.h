// SPDX-License-Identifier: Apache-2.0
//
// blockers(): why a backend cannot take a program, judged from its Capabilities alone, before anything is compiled.
// `explain` shows all of them for every backend; a backend's compile() fails with the first.
//
// Tested by: tests/unit/exec_blockers_test.cc.
#pragma once

#include <vector>

#include "exec/backend.h"

namespace forager::exec {

// In the order of: machine, program type, size, maps, instructions. Instructions the verifier proved dead do not count;
// an instruction or helper is named at its first use only. Empty = the backend takes the program.
[[nodiscard]] std::vector<Diagnostic> blockers(const verifier::VerifiedProgram& program,
                                               const Capabilities& capabilities);

// Whether programs of its type run there; iterators are a type of their own.
[[nodiscard]] bool runs_type(const program::Program& program, const Capabilities& capabilities);

}  // namespace forager::exec
