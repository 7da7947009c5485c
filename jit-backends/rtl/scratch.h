// SPDX-License-Identifier: Apache-2.0
//
// What compiler and host agree on when a helper is called: where things stand in the scratch of a call depth (256
// bytes), and what does not stand there because the verifier knows it.
#pragma once

#include "jit-backends/rtl/isa/core_isa.h"
#include "verifier/verify.h"

namespace forager::jit::rtl {

inline constexpr unsigned kEntryScratch = 0;     // what the map engine reads: key and value
inline constexpr unsigned kArgumentScratch = 0;  // r1 to r5 of a helper
inline constexpr unsigned kSavedScratch = 192;   // r6 to r9 while a function runs
inline constexpr unsigned kRandomScratch = 448;  // the thread's random state: of depth 7, which calls nobody

inline constexpr unsigned kScratchBytesOfThread = isa::kMaxCallFrames * kScratchBytes;
// Offsets from kScratchBytes on are of the last depth.
inline constexpr unsigned kRandomInThread = kScratchBytesOfThread - 2 * kScratchBytes + kRandomScratch;

// The context, a map that is always the same, a constant.
[[nodiscard]] inline bool argument_is_known(const verifier::VerifiedProgram& program, std::uint32_t call, isa::Arg kind,
                                            std::size_t index) {
  const verifier::CallFact& fact = program.facts()[call].call;
  if (kind == isa::Arg::ctx) return true;
  if (kind == isa::Arg::const_map) return fact.map != program::kNone;
  return fact.arguments != program::kNone && program.call_arguments()[fact.arguments][index].value.is_constant();
}

}  // namespace forager::jit::rtl
