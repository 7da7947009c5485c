// SPDX-License-Identifier: Apache-2.0
//
// What of a program the core leaves to the host, as its image has it: for `forager explain`.
//
// Tested by: tests/unit/rtl_compile_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "verifier/verify.h"

namespace forager::jit::rtl {

// Cycles that a request to the host takes at the least, registers and DMA (hw/doc/performance.md: xdp_fib, whose only
// request is one call a packet).
inline constexpr unsigned kRequestCycles = 80;

struct Delegation {
  std::string what;                            // "bpf_fib_lookup", "map flows", "context access"
  std::uint32_t times = 1;                     // instructions of the program
  std::uint32_t instruction = program::kNone;  // the first; none: a map
};

// In the order of the program's instructions, maps last. Empty: the device does it all, for packets that it has
// itself (docs/rtl.md), or the program does not compile.
[[nodiscard]] std::vector<Delegation> delegations(const std::shared_ptr<const verifier::VerifiedProgram>& program);

}  // namespace forager::jit::rtl
