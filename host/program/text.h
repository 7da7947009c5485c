// SPDX-License-Identifier: Apache-2.0
//
// Text forms of programs: the disassembler's kernel style ("r1 = *(u32 *)(r6 +4)", as bpftool and the verifier log
// print it) and the assembler for both that style and the ubpf / conformance style ("ldxw %r1, [%r6+4]").
//
// What the disassembler prints of an instruction, the assembler reads back to the same slots, and it reads whole
// listings too: slot numbers and "(bf)" prefixes are skipped.
//
// Tested by: tests/unit/program_text_test.cc (round trips over every row, conformance vectors).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "forager/result.h"
#include "program/program.h"

namespace forager::program {

// One instruction in kernel style, without slot number; jumps as "goto pc+4", calls as "call bpf_redirect#23".
[[nodiscard]] std::string to_text(const Program& program, std::uint32_t instruction);

// The same for slots that need not form a program. What no row of isa.def encodes is ".slot 0x<8 bytes>", which
// the assembler does not read. A 64-bit immediate cut off by the end counts as zero above.
[[nodiscard]] std::string to_text(std::span<const isa::Slot> slots, std::size_t slot,
                                  const std::vector<std::string>& map_names = {});

struct DisassembleOptions {
  bool lines = true;     // "; C text @ file.c:12" before the instructions it belongs to, where BTF has it
  bool opcodes = false;  // raw bytes after each instruction, as a comment
};
// A whole program, one instruction a line, "%4u: (op) text" with slot numbers, subprogram labels.
[[nodiscard]] std::string disassemble(const Program& program, const DisassembleOptions& options = {});

// Assembles either style (told line by line); labels "name:", "#", ";" and "//" comments. The label "exit" is the first
// exit instruction unless it is defined. Maps as "r1 = map[name] ll" / "r1 = map[0] ll" / "lddw %r1, map[name]" against
// the given map names. Errors: input, with line number and what was expected.
[[nodiscard]] Result<std::vector<isa::Slot>> assemble(std::string_view text,
                                                      const std::vector<std::string>& map_names = {});

}  // namespace forager::program
