// SPDX-License-Identifier: Apache-2.0
//
// forager_coverage_gen: docs/coverage.md on standard output.
#include <cstdio>

#include "jit-backends/coverage.h"

int main() {
  const std::string text = forager::jit::coverage_markdown();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
