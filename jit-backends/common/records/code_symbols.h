// SPDX-License-Identifier: Apache-2.0
//
// What stands where in machine code, for people: functions by the kernel's names, and source lines from the program's
// line info.
//
// Tested by: tests/unit/jit_profilers_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jit-backends/common/image.h"

namespace forager::jit {

struct CodeSymbol {
  std::string name;          // "bpf_prog_3b185187f1855c4c_xdp_firewall"; printable, without blanks
  std::uint32_t offset = 0;  // bytes from the code's start
  std::uint32_t size = 0;
};

struct CodeSpan {
  std::uint32_t offset = 0, size = 0;  // bytes
};

struct SourcePlace {
  std::uint32_t offset = 0;  // holds from here to the next
  const program::LineInfo* line = nullptr;
};

// Every subprogram that there is code of, and the way in, by rising offset and without gaps. The main function has the
// program's tag, another one the tag of its own instructions (kernel/bpf/core.c bpf_get_prog_name).
[[nodiscard]] std::vector<CodeSymbol> symbols_of(const JitImage& image);

// Where each subprogram's code is, by index; of size 0 where it is dead.
[[nodiscard]] std::vector<CodeSpan> functions_of(const JitImage& image);

// Where each instruction's code begins, by index. One without code is where the next of its function begins.
[[nodiscard]] std::vector<std::uint32_t> offsets_of(const JitImage& image);

// Changes of the source line, by rising offset; they live as long as the image. Empty without line info.
[[nodiscard]] std::vector<SourcePlace> lines_of(const JitImage& image);

}  // namespace forager::jit
