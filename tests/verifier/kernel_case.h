// SPDX-License-Identifier: Apache-2.0
//
// A golden case in the running kernel: its maps are made, its program is loaded by raw bpf(2), and what the kernel's
// verifier says of it comes back. Everything is closed when the answer is there.
//
// Tested by: kernel_test.cc.
#pragma once

#include <optional>
#include <string>

#include "golden_program.h"

namespace forager::verifier::golden {

struct KernelAnswer {
  Verdict verdict;      // slot and message of a refusal only if explained
  std::string log;      // as well
  std::string trouble;  // why the kernel could not be asked, or empty
};

// Why no case can be asked here, or empty.
[[nodiscard]] std::string no_kernel();

// Why this case cannot be asked of any kernel, or empty.
[[nodiscard]] std::string not_for_kernels(const Case& given);

// An explanation costs a second verification, a slow one.
[[nodiscard]] KernelAnswer ask_kernel(const Case& given, const Assembled& assembled, bool explains = false);

}  // namespace forager::verifier::golden
