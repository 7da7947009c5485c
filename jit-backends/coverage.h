// SPDX-License-Identifier: Apache-2.0
//
// What is covered: every helper and map type of Linux's, by program type and engine, as Markdown. docs/coverage.md is
// this text; a test compares them, and `ninja forager_coverage_bless` rewrites the file.
//
// Made of the tables and the backends' Capabilities, as `forager feature` is, so it says the same on every machine.
//
// Tested by: tests/unit/coverage_test.cc.
#pragma once

#include <string>

namespace forager::jit {

[[nodiscard]] std::string coverage_markdown();

}  // namespace forager::jit
