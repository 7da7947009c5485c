// SPDX-License-Identifier: Apache-2.0
//
// C prototypes of functions, from their BTF.
//
// Tested by: tests/cli/bpftool_test.cc, tests/cli/cli_test.sh.
#pragma once

#include <cstdint>
#include <string>

struct btf;

namespace forager::cli {

// "int parse_vlan(struct xdp_md * ctx)", as bpftool writes it; empty for what is no function.
[[nodiscard]] std::string prototype_of(const btf* types, std::uint32_t function);

}  // namespace forager::cli
