// SPDX-License-Identifier: Apache-2.0
//
// Disassembly as `prog dump xlated` prints it: text for people, bpftool's JSON for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "program/program.h"

namespace forager::cli {

[[nodiscard]] std::string xlated_text(const program::Program& program, bool opcodes);
// [{"src": C line, "linum": .., "disasm": text, "opcodes": [..]}], one row an instruction.
[[nodiscard]] nlohmann::ordered_json xlated_json(const program::Program& program, bool opcodes);

}  // namespace forager::cli
