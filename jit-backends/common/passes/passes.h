// SPDX-License-Identifier: Apache-2.0
//
// The passes of code generation, in the order in which they run. Each can be left out (CompileOptions::passes_off): the
// code is slower then and does the same. docs/jit.md says what each brings.
//
// Tested by: tests/unit/jit_forms_test.cc (all in, all left out), jit_device_test.cc, forager_verifier_soak
// --passes-off.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "exec/backend.h"
#include "jit-backends/common/code.h"

namespace forager::jit {

// Branches that go one way become jumps or nothing.
void prune(Code& code);
// What is constant becomes an immediate; 64-bit division of small numbers becomes 32-bit division.
void fold(Code& code);
// Instructions that belong together become one step: rotations, loads in network order, three-operand additions.
void fuse(Code& code);
// Accesses at the sum of two registers; zeros side by side in one store.
void address(Code& code);
// Lookups in maps that are known; indices and null checks that are decided.
void specialise(Code& code);
// Stack slots that only pass values on: loads of what was stored, stores that nobody reads.
void forward(Code& code);
// Results that nobody reads are not made.
void sweep(Code& code);
// What is seldom reached moves behind the rest of its function.
void arrange(Code& code);

// Not a pass that can be left out: says which parts of frames begin as zeros (Code::cleared).
void clear_frames(Code& code);

struct Pass {
  std::string_view name;
  std::string_view summary;  // one phrase for people
  void (*run)(Code& code);
};

// The nth pass's bit in passes_off is 1 << n.
[[nodiscard]] std::span<const Pass> passes();
// Of a pass by name; 0 if there is none.
[[nodiscard]] std::uint32_t pass_bit(std::string_view name);

// lower() and every pass that is not left out. called_maps: as in Code.
[[nodiscard]] Result<Code> optimised(const verifier::VerifiedProgram& program, const exec::CompileOptions& options,
                                     std::vector<bool> called_maps = {});

}  // namespace forager::jit
