// SPDX-License-Identifier: Apache-2.0
//
// Where BPF registers live on AArch64.
//
// r1 to r5 are the second to sixth argument register of AAPCS64, and r0 is the first, which is the result's as well: a
// helper, whose first argument is the RunContext, is called by loading that and nothing else, because r0 is dead before
// a call and its result afterwards. r6 to r9 and r10 are registers that C++ preserves, so is that of the cells. X9 to
// X12 are free for the sequences of one instruction; X16 is the veneers'.
//
// Tested by: tests/unit/jit_arm64_test.cc, through the backend.
#pragma once

#include <asmjit/core.h>
// The second includes the first one's needs.
#include <asmjit/arm/a64assembler.h>

#include <array>

namespace forager::jit::arm64 {

using asmjit::a64::Gp;

inline const std::array<Gp, 11> kRegisters = {
    asmjit::a64::x0,  asmjit::a64::x1,  asmjit::a64::x2,  asmjit::a64::x3,  asmjit::a64::x4,  asmjit::a64::x5,
    asmjit::a64::x19, asmjit::a64::x20, asmjit::a64::x21, asmjit::a64::x22, asmjit::a64::x25,
};
inline const Gp kCells = asmjit::a64::x26;
inline const Gp kScratch = asmjit::a64::x9, kScratch2 = asmjit::a64::x10;
inline const Gp kAddress = asmjit::a64::x11;  // of an access, while it is made
inline const Gp kStatus = asmjit::a64::x12;   // of an exclusive store
inline const Gp kVeneer = asmjit::a64::x16;

}  // namespace forager::jit::arm64
