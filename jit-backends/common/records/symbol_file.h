// SPDX-License-Identifier: Apache-2.0
//
// An ELF file that says what stands where in linked code: a symbol for each function and, if the program has line
// info, DWARF's lines. It has no code: its .text names the memory where the code is. Written out with <elf.h>, since
// libelf writes to descriptors only.
//
// Tested by: tests/unit/jit_profilers_test.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "jit-backends/common/image.h"

namespace forager::jit {

// Of an image that stands at an address.
[[nodiscard]] std::vector<std::byte> symbol_file(const JitImage& image, std::uint64_t address);

}  // namespace forager::jit
