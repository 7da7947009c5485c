// SPDX-License-Identifier: Apache-2.0
//
// Disassemblies as bpftool gives them: text, or a row for each instruction.
//
// Tested by: tests/cli/bpftool_test.cc, tests/cli/cli_test.sh.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "program/program.h"

struct btf;

namespace forager::cli {

struct XlatedView {
  const btf* types = nullptr;  // of the program's object, for the functions' prototypes
  bool opcodes = false;        // the raw encoding too
  bool lines = false;          // file, line and column of each C line
};

[[nodiscard]] std::string xlated_text(const program::Program& program, const XlatedView& view);
// {"proto"?, "src"?, "disasm", "opcodes"?} and with `lines` {"file", "line_num", "line_col"}.
[[nodiscard]] nlohmann::ordered_json xlated_json(const program::Program& program, const XlatedView& view);

}  // namespace forager::cli
