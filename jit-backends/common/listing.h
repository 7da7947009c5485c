// SPDX-License-Identifier: Apache-2.0
//
// Machine code read back, by Capstone.
//
// Tested by: tests/unit/jit_arm64_test.cc, tests/cli/cli_test.sh.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "jit-backends/common/image.h"

namespace forager::jit {

struct MachineLine {
  std::uint32_t offset = 0;  // bytes from the code's start
  std::string operation;     // "mov"
  std::string operands;      // "rax, rdx"
  std::span<const std::byte> bytes;
  std::uint32_t instruction = program::kNone;  // the BPF instruction that begins here, if one does
};

// The image must outlive the lines.
[[nodiscard]] std::vector<MachineLine> disassemble(const JitImage& image);

}  // namespace forager::jit
