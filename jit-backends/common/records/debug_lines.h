// SPDX-License-Identifier: Apache-2.0
//
// Functions and source lines as DWARF 4 has them: one unit, a subprogram for each function, a line program without
// special opcodes. Section numbers are the standard's.
//
// Tested by: tests/unit/jit_profilers_test.cc.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jit-backends/common/records/code_symbols.h"

namespace forager::jit {

struct DebugSections {
  std::vector<std::byte> abbreviations, info, lines;  // .debug_abbrev, .debug_info, .debug_line
};

struct CodeRange {
  std::uint64_t begin = 0, size = 0;
};

// `lines` is not empty.
[[nodiscard]] DebugSections debug_sections(std::span<const CodeSymbol> symbols, std::span<const SourcePlace> lines,
                                           CodeRange code);

}  // namespace forager::jit
