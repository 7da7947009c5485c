// SPDX-License-Identifier: Apache-2.0
//
// Bytes for people: "0000000\t0000 0000 ... | ........ ........", 16 a line, as bpftool prints packets.
//
// Tested by: tests/cli/bpftool_test.cc, tests/cli/cli_test.sh.
#pragma once

#include <string>
#include <string_view>

namespace forager::cli {

[[nodiscard]] std::string hex_view(std::string_view bytes);

}  // namespace forager::cli
