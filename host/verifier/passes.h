// SPDX-License-Identifier: Apache-2.0
//
// The passes of structural verification, in the order in which verify() runs them. Private to this folder.
//
// Tested by: tests/unit/verifier_structure_test.cc.
#pragma once

#include <span>
#include <vector>

#include "forager/result.h"
#include "program/program.h"
#include "verifier/facts.h"

namespace forager::verifier {

using program::Instruction;
using program::Program;

// A refusal at an instruction, with its source line.
[[nodiscard]] std::unexpected<Diagnostic> refuse(const Program& program, std::uint32_t instruction, ErrorKind kind,
                                                 int error, std::string message);

// What each block proves by itself: addresses and constants that it made, hence its accesses, map arguments and
// branches. Nothing is carried from block to block.
[[nodiscard]] std::vector<Facts> scan_blocks(const Program& program);

// Marks what no execution reaches, given the branches that go one way only. Calls reach their callees.
void mark_reachable(const Program& program, std::span<Facts> facts);

// Refuses code that the control-flow graph does not reach, branches taken both ways (Linux check_cfg).
[[nodiscard]] Result<> check_dead_code(const Program& program);

// The rules for single instructions, on reachable ones (Linux does not look at others either).
[[nodiscard]] Result<> check_instructions(const Program& program, std::span<const Facts> facts);

// No recursion, at most isa::kMaxCallFrames frames. Reachable calls only.
[[nodiscard]] Result<> check_call_graph(const Program& program, std::span<const Facts> facts);

}  // namespace forager::verifier
