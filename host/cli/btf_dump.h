// SPDX-License-Identifier: Apache-2.0
//
// BTF as rows (bpftool's members), as lines, and as C.
//
// Tested by: tests/cli/bpftool_test.cc.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "forager/result.h"

struct btf;

namespace forager::cli {

// One row a type: {"id", "kind", "name", ...}. `roots`: only these types; empty: all.
[[nodiscard]] nlohmann::ordered_json btf_rows(const btf* types, const std::vector<std::uint32_t>& roots);
// "[1] INT 'int' size=4 ..." and members indented below.
[[nodiscard]] std::string btf_lines(const nlohmann::ordered_json& rows);
// What libbpf writes, between the include guards that bpftool writes. Errors: input (types that make no C).
[[nodiscard]] Result<std::string> btf_as_c(const btf* types, const std::vector<std::uint32_t>& roots);

}  // namespace forager::cli
