// SPDX-License-Identifier: Apache-2.0
//
// Where BPF registers live on x86-64.
//
// r1 to r5 are the second to sixth argument registers of the System V ABI, so that a helper, whose first argument is
// the RunContext, is called without a move. r6 to r9 and r10 are registers that C++ preserves. RDI, R10 and R11 are
// free for the sequences of one instruction; R12 holds the cells.
//
// Tested by: tests/unit/jit_forms_test.cc, through the backend.
#pragma once

#include <asmjit/x86.h>

#include <array>

namespace forager::jit::x86_64 {

using asmjit::x86::Gp;

inline const std::array<Gp, 11> kRegisters = {
    asmjit::x86::rax, asmjit::x86::rsi, asmjit::x86::rdx, asmjit::x86::rcx, asmjit::x86::r8,  asmjit::x86::r9,
    asmjit::x86::rbx, asmjit::x86::r13, asmjit::x86::r14, asmjit::x86::r15, asmjit::x86::rbp,
};
inline const Gp kCells = asmjit::x86::r12;
inline const Gp kScratch = asmjit::x86::r11, kScratch2 = asmjit::x86::r10, kScratch3 = asmjit::x86::rdi;

}  // namespace forager::jit::x86_64
