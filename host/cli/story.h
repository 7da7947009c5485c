// SPDX-License-Identifier: Apache-2.0
//
// What there is to say about a diagnostic after its one line: the way that leads to the place, and what to do.
//
// Tested by: tests/unit/cli_verify_text_test.cc.
#pragma once

#include <string>

#include "forager/result.h"

namespace forager::cli {

// Lines that begin with `indent`; nothing where the diagnostic has neither path nor hint.
[[nodiscard]] std::string story_of(const Diagnostic& diagnostic, const std::string& indent);

}  // namespace forager::cli
