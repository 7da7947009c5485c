// SPDX-License-Identifier: Apache-2.0
//
// Structure: what follows from the program's text alone, before any path is explored: where states are worth keeping,
// which registers are live, which subprograms are global or move the packet. Private to this folder.
//
// Tested by: tests/unit/verifier_structure_test.cc.
#pragma once

#include <span>
#include <vector>

#include "forager/result.h"
#include "verifier/state.h"

namespace forager::verifier {

[[nodiscard]] constexpr RegisterSet register_bit(unsigned n) { return static_cast<RegisterSet>(1U << n); }
inline constexpr RegisterSet kArgumentRegisters = 0x3e;  // r1 to r5
inline constexpr RegisterSet kCallerSaved = 0x3f;        // what a call overwrites

struct SubprogramFacts {
  const program::FunctionInfo* info = nullptr;
  bool global = false;
  bool moves_packet = false;  // by itself, its callees or its callbacks
  bool tail_calls = false;
  bool is_callback = false;
};

struct Structure {
  static constexpr std::uint8_t kPrunePoint = 1;  // a state may be kept, or a path stop
  static constexpr std::uint8_t kForced = 2;      // a state is always kept
  static constexpr std::uint8_t kCallback = 4;    // calls a helper that calls back
  std::vector<std::uint8_t> points;               // by instruction
  std::vector<u32> point_numbers;                 // by instruction: which prune point it is, from 0
  u32 point_count = 0;
  std::vector<RegisterSet> live;        // before the instruction
  std::vector<RegisterSet> live_after;  // on some way out of it
  std::vector<SubprogramFacts> subprograms;
};

[[nodiscard]] Structure find_structure(const program::Program& program);

// Helpers that run a function of the program before they return; and those that only note it down.
[[nodiscard]] bool calls_back(const program::Instruction& insn);
[[nodiscard]] bool calls_back_later(const program::Instruction& insn);
[[nodiscard]] const isa::HelperRow* helper_of(const program::Instruction& insn);

// Registers that an instruction reads, and those it overwrites.
struct RegisterUse {
  RegisterSet reads = 0, writes = 0;
};
[[nodiscard]] RegisterUse register_use(const program::Program& program, const program::Instruction& insn);

// A refusal at an instruction, with its source line and function.
[[nodiscard]] Diagnostic diagnose(const program::Program& program, u32 instruction, ErrorKind kind, int error,
                                  std::string message);

// Refuses code that the control-flow graph does not reach, branches taken both ways (Linux check_cfg).
[[nodiscard]] Result<> check_dead_code(const program::Program& program);
// No recursion, at most isa::kMaxCallFrames frames; stack depths (bytes by subprogram) add up to no more than one
// frame's (Linux check_max_stack_depth). Reachable calls only. `deepest` gets the largest sum.
[[nodiscard]] Result<> check_call_graph(const program::Program& program, const Structure& structure,
                                        const std::vector<bool>& reached, std::span<const u32> depths, u32& deepest);
[[nodiscard]] Result<> check_no_recursion(const program::Program& program);
// --strict-loops: no back edge at all.
[[nodiscard]] Result<> check_no_loops(const program::Program& program);

}  // namespace forager::verifier
